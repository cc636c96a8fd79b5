//! The carriers, a folder each: its settings, its session and its own way of moving bytes.

mod connections;
pub mod quic;
pub mod ssh;
pub mod tcp;
pub mod tls;
