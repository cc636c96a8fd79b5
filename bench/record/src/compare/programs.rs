//! Whose programs the cells of a run were measured with.

use super::Side;
use crate::programs::Programs;

/// What programs the chosen cells of a run had, if these were not the usual ones.
pub(super) fn programs(side: Side<'_>) -> Option<String> {
    let chosen = side.choice.text()?.split(',');
    let mut pairs = chosen.filter_map(|pair| pair.split_once('='));
    let (_, variant) = pairs.find(|(key, _)| key.trim() == Programs::AXIS)?;
    let variants = side.record.environment.details.get(Programs::DETAIL)?;
    let programs = variants.get(variant.trim())?;
    let programs: Programs = serde_json::from_value(programs.clone()).ok()?;
    Some(programs.to_string()).filter(|text| !text.is_empty())
}
