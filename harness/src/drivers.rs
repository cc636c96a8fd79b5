//! What starts and steers guests, one folder for each driver.

pub mod qemu;
