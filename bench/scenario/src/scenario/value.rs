//! One value: from what stands in the file to what its key wants, or the problem with it.

use lmbench_harness::spec::Moment;
use serde_json::json;

use crate::scenario::keys::Kind;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::tree::{Node, Span, Value};
use crate::scenario::units::{
    MOMENT_HINT, Quantity, RATE, REPEATS_HINT, Rate, Repeats, SHARE, SIZE, Share, Size, TIME, Time,
    UnitError, moment, repeats,
};

/// A value that its key accepts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Flag(bool),
    Count(u64),
    Integer(i64),
    Number(f64),
    Size(Size),
    Rate(Rate),
    Time(Time),
    Share(Share),
    Moment(Moment),
    Repeats(Repeats),
}

/// Reads the value of the setting `name`.
pub(crate) fn read(kind: &Kind, name: &str, node: &Node) -> Result<Scalar, Problem> {
    match kind {
        Kind::Text => {
            text(name, node, "write a string in quotes").map(|text| Scalar::Text(text.to_owned()))
        }
        Kind::Flag => match node.value {
            Value::Flag(flag) => Ok(Scalar::Flag(flag)),
            _ => Err(wrong_type(
                name,
                node,
                "a boolean",
                "write true or false, without quotes",
            )),
        },
        Kind::Count { min, max } => count(name, node, *min, *max),
        Kind::Number { min, max } => number(name, node, *min, *max),
        Kind::Size => quantity(name, node, &SIZE).map(Scalar::Size),
        Kind::Rate => quantity(name, node, &RATE).map(Scalar::Rate),
        Kind::Time => quantity(name, node, &TIME).map(Scalar::Time),
        Kind::Share => quantity(name, node, &SHARE).map(Scalar::Share),
        Kind::Moment => moment_of(name, node),
        Kind::Repeats { max } => repeats_of(name, node, *max),
        Kind::Choice(words) => word(name, node, words, &[]),
        Kind::Selection { options, planned } => {
            let names: Vec<&str> = options.names().collect();
            word(name, node, &names, planned)
        }
        Kind::Names => any(name, node),
        Kind::Table(_) | Kind::Phases(_) | Kind::Axes | Kind::Limits | Kind::Planned(_) => Err(
            wrong_type(name, node, "a table", "this is not a single setting"),
        ),
    }
}

/// The value as a record keeps it: the text of the file.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Text(text) | Value::Other(text) => json!(text),
        Value::Integer(integer) => json!(integer),
        Value::Float(float) => json!(float),
        Value::Flag(flag) => json!(flag),
        Value::List(_) | Value::Table(_) => serde_json::Value::Null,
    }
}

/// A name that is not among those that this version knows.
pub(crate) fn unknown_name(
    what: &str,
    name: &str,
    span: &Span,
    known: &[&str],
    planned: &[&str],
) -> Problem {
    if planned.contains(&name) {
        return Problem::at(span, format!("{what} `{name}` is not in this version"))
            .label("planned, and not built yet")
            .hint(format!("use one of {}", known.join(", ")));
    }
    let problem = Problem::at(span, format!("unknown {what} `{name}`"));
    let family = family(name, known);
    if family.len() > 1 {
        return problem
            .label(format!("there are several: {}", family.join(", ")))
            .hint("write which of them");
    }
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem.label("no such name"),
    }
    .hint(format!("use one of {}", known.join(", ")))
}

/// The names that begin with this one: `ovirt` is none, `ovirt-post-copy` is.
fn family<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let is_of = |known: &&&str| {
        let rest = known.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    known.iter().filter(is_of).copied().collect()
}

/// A value of the wrong type.
pub(crate) fn wrong_type(name: &str, node: &Node, wanted: &str, hint: &str) -> Problem {
    Problem::at(&node.span, format!("`{name}` must be {wanted}"))
        .label(format!("this is {}", node.what()))
        .hint(hint)
}

fn text<'a>(name: &str, node: &'a Node, hint: &str) -> Result<&'a str, Problem> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(wrong_type(name, node, "a string", hint)),
    }
}

fn count(name: &str, node: &Node, min: u64, max: u64) -> Result<Scalar, Problem> {
    let range = format!("write a whole number from {min} to {max}, without quotes");
    let Value::Integer(integer) = node.value else {
        return Err(wrong_type(name, node, "a whole number", &range));
    };
    match u64::try_from(integer) {
        Ok(count) if (min..=max).contains(&count) => Ok(Scalar::Count(count)),
        _ => Err(Problem::at(&node.span, format!("`{name}` is out of range"))
            .label(format!("not between {min} and {max}"))
            .hint(range)),
    }
}

fn number(name: &str, node: &Node, min: f64, max: f64) -> Result<Scalar, Problem> {
    let range = format!("write a number from {min} to {max}, without quotes");
    let number = match node.value {
        Value::Float(float) => float,
        Value::Integer(integer) => integer as f64,
        _ => return Err(wrong_type(name, node, "a number", &range)),
    };
    if (min..=max).contains(&number) {
        return Ok(Scalar::Number(number));
    }
    Err(Problem::at(&node.span, format!("`{name}` is out of range"))
        .label(format!("not between {min} and {max}"))
        .hint(range))
}

fn quantity<T>(name: &str, node: &Node, quantity: &Quantity) -> Result<T, Problem>
where
    T: std::str::FromStr<Err = UnitError>,
{
    let bare = match &node.value {
        Value::Text(text) => {
            return text
                .parse()
                .map_err(|error: UnitError| quantity_problem(name, node, quantity, &error));
        }
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => float.to_string(),
        _ => {
            let hint = format!(
                "write a string with a unit, for example \"{}\"",
                quantity.example
            );
            return Err(wrong_type(
                name,
                node,
                &format!("{} with a unit", quantity.what),
                &hint,
            ));
        }
    };
    Err(Problem::at(&node.span, format!("`{name}` has no unit"))
        .label(format!("a bare number where {} belongs", quantity.what))
        .hint(quantity.missing_unit(&bare)))
}

fn quantity_problem(name: &str, node: &Node, quantity: &Quantity, error: &UnitError) -> Problem {
    let title = match error {
        UnitError::NoUnit { .. } => format!("`{name}` has no unit"),
        UnitError::OutOfRange { .. } => format!("`{name}` is out of range"),
        UnitError::NotANumber { .. } | UnitError::UnknownUnit { .. } => {
            format!("`{name}` is not {}", quantity.what)
        }
    };
    let label = match error {
        UnitError::NoUnit { .. } => format!("a bare number where {} belongs", quantity.what),
        _ => error.to_string(),
    };
    Problem::at(&node.span, title)
        .label(label)
        .hint(error.hint())
}

fn moment_of(name: &str, node: &Node) -> Result<Scalar, Problem> {
    let text = text(name, node, MOMENT_HINT)?;
    moment(text).map(Scalar::Moment).map_err(|wrong| {
        Problem::at(&node.span, format!("`{name}` is no moment of a migration"))
            .label(wrong)
            .hint(MOMENT_HINT)
    })
}

fn repeats_of(name: &str, node: &Node, max: u32) -> Result<Scalar, Problem> {
    let Value::Text(text) = &node.value else {
        let most = match count(name, node, 1, max.into())? {
            Scalar::Count(count) => u32::try_from(count).unwrap_or(max),
            _ => max,
        };
        return Ok(Scalar::Repeats(Repeats { most, until: None }));
    };
    repeats(text, max).map(Scalar::Repeats).map_err(|wrong| {
        Problem::at(&node.span, format!("`{name}` is not how often to measure"))
            .label(wrong)
            .hint(REPEATS_HINT)
    })
}

fn word(name: &str, node: &Node, words: &[&str], planned: &[&str]) -> Result<Scalar, Problem> {
    let hint = format!("write one of {}, in quotes", words.join(", "));
    let text = text(name, node, &hint)?;
    if words.contains(&text) {
        return Ok(Scalar::Text(text.to_owned()));
    }
    let what = name.rsplit('.').next().unwrap_or(name);
    Err(unknown_name(what, text, &node.span, words, planned))
}

fn any(name: &str, node: &Node) -> Result<Scalar, Problem> {
    match &node.value {
        Value::Text(text) => Ok(Scalar::Text(text.clone())),
        Value::Flag(flag) => Ok(Scalar::Flag(*flag)),
        Value::Integer(integer) => Ok(Scalar::Integer(*integer)),
        Value::Float(float) if float.is_finite() => Ok(Scalar::Number(*float)),
        Value::Float(_) | Value::Other(_) | Value::List(_) | Value::Table(_) => Err(wrong_type(
            name,
            node,
            "a boolean, a number or a string",
            "capabilities are booleans, parameters numbers or strings",
        )),
    }
}
