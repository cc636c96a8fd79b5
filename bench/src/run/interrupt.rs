//! Ctrl-C, as often as it is pressed.

use tokio::sync::watch;

/// Tells a run to end.
#[derive(Debug)]
pub struct Interrupter(watch::Sender<u32>);

/// Hears whether a run shall end.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<u32>);

impl Interrupter {
    /// Both ends.
    pub fn pair() -> (Interrupter, Interrupt) {
        let (sender, receiver) = watch::channel(0);
        (Interrupter(sender), Interrupt(receiver))
    }

    /// Once more. The first time a run ends in order, the second time at once.
    pub fn interrupt(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }
}

impl Interrupt {
    /// Returns once it was asked so often; never, when nobody can ask any more.
    pub async fn asked(&mut self, times: u32) {
        if self.0.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_time_is_not_the_first() {
        let (interrupter, mut interrupt) = Interrupter::pair();
        let limit = std::time::Duration::from_millis(20);
        interrupter.interrupt();
        interrupt.asked(1).await;
        assert!(
            tokio::time::timeout(limit, interrupt.asked(2))
                .await
                .is_err()
        );
        interrupter.interrupt();
        interrupt.asked(2).await;
        drop(interrupter);
        interrupt.asked(2).await;
        assert!(
            tokio::time::timeout(limit, interrupt.asked(3))
                .await
                .is_err()
        );
    }
}
