//! How answers and errors become what the controller gets.

use std::error::Error;

use serde::Serialize;
use serde_json::Value;

use super::protocol::Failure;
use crate::error::chain;

pub(super) fn value(answer: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| refused(&error.to_string()))
}

pub(super) fn refused(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        environment: false,
    }
}

pub(super) fn failure(error: impl Error) -> Failure {
    Failure {
        message: chain(&error),
        environment: false,
    }
}

pub(super) fn failure_of(error: &dyn Error, operation: &str) -> Failure {
    Failure {
        message: format!("{operation}: {}", chain(error)),
        environment: false,
    }
}
