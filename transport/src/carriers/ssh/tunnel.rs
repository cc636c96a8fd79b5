//! One `ssh` on the source half, from the connection under it to the socket that it listens on.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::beneath::above;
use super::child::Child;
use super::deadlines::LOGIN_DEADLINE;
use super::error::SshError;
use super::introduction::Introduction;
use super::keys::{self, ClientFiles};
use super::settings::Settings;
use super::{client, program, sockets};
use crate::carrier::channel::CUT;
use crate::carrier::notices::Ends;
use crate::carrier::token::Token;
use crate::carrier::{ChannelError, Session};
use crate::folder::Folder;

/// What every tunnel of a source shares.
pub(super) struct Maker {
    ssh: PathBuf,
    files: ClientFiles,
    settings: Settings,
    token: Token,
    folder: Folder,
}

/// An `ssh` that has logged in and listens.
pub(super) struct Tunnel {
    pub(super) number: u32,
    /// What `ssh` says about the two of them, and how long it took.
    pub(super) details: String,
    pub(super) socket: PathBuf,
    pub(super) child: Child,
    ends: Option<Ends>,
    /// Keys and socket stay as long as anybody needs them.
    _maker: Arc<Maker>,
}

impl Maker {
    pub(super) fn new(token: Token, settings: Settings) -> Result<Self, SshError> {
        let ssh = program::find("ssh")?;
        let folder = Folder::new()?;
        Ok(Self {
            ssh,
            files: keys::write_client(&folder, &token)?,
            settings,
            token,
            folder,
        })
    }
}

impl Tunnel {
    /// Connects, hears whom to ask for, and waits until `ssh` is through.
    pub(super) async fn open(
        maker: Arc<Maker>,
        beneath: &dyn Session,
    ) -> Result<Self, ChannelError> {
        let channel = beneath.open_channel().await.map_err(|error| match error {
            ChannelError::Open { number, source } => ChannelError::Open {
                number,
                source: above(source),
            },
            other => other,
        })?;
        let number = channel.number();
        let (wire, ends) = channel
            .into_parts()
            .expect("the carrier underneath has sockets");
        let logged_in = Self::log_in(maker, number, (wire, ends)).await;
        logged_in.map_err(|error| ChannelError::Open {
            number,
            source: error.into(),
        })
    }

    async fn log_in(
        maker: Arc<Maker>,
        number: u32,
        (mut wire, ends): (TcpStream, Option<Ends>),
    ) -> Result<Self, SshError> {
        let introduction = timeout(LOGIN_DEADLINE, Introduction::hear(&mut wire, &maker.token));
        let introduction = introduction
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(SshError::Introduction)?;
        let begin = Instant::now();
        let socket = maker.folder.path(&number.to_string());
        let command = client::command(
            &maker.ssh,
            &maker.files,
            &maker.settings,
            &introduction,
            &socket,
        );
        let mut child = Child::start("ssh", command, wire)?;
        match timeout(LOGIN_DEADLINE, child.log().ready()).await {
            Ok(true) => {}
            Ok(false) => {
                child.ended().await;
                let said = child.log().last_words();
                return Err(SshError::Refused { said });
            }
            Err(_) => {
                let (after, said) = (LOGIN_DEADLINE, child.log().last_words());
                return Err(SshError::TimedOut { after, said });
            }
        }
        let took_ms = begin.elapsed().as_secs_f64() * 1e3;
        Ok(Self {
            number,
            details: format!("{}, {took_ms:.1} ms in ssh", child.log().details()),
            socket,
            child,
            ends,
            _maker: maker,
        })
    }

    /// Waits until every connection through it has come to its end on both hosts.
    pub(super) async fn drained(&self) {
        sockets::all_closed(&self.socket).await;
    }

    /// Whether anybody is connected to it.
    pub(super) fn is_used(&self) -> bool {
        sockets::is_connected(&self.socket)
    }

    /// Ends it after [`Self::drained`], and tells the sink whether all went through it: not if it was `cut`, or could not open a channel.
    pub(super) async fn end(self, cut: bool) -> Result<(), String> {
        let failed = self.child.log().failure();
        let result = match failed {
            Some(said) => Err(said),
            None if cut => Err(CUT.to_owned()),
            None => Ok(()),
        };
        if let Some(ends) = &self.ends {
            match result {
                Ok(()) => ends.sent(0),
                Err(_) => ends.broke(),
            }
        }
        self.child.end().await;
        result
    }
}
