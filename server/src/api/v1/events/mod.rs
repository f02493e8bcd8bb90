//! Events of the node and of modules: a list, and a stream.

pub mod list;
pub mod stream;

use crate::api::error::{ApiError, ApiResult, Code};

/// The patterns in `?types=`, checked: `*`, `chain.*`, or whole types, separated by commas.
fn patterns(types: Option<&str>) -> ApiResult<Vec<String>> {
    let Some(types) = types else {
        return Ok(vec!["*".to_owned()]);
    };
    let patterns: Vec<String> = types.split(',').map(|one| one.trim().to_owned()).collect();
    let fits = |one: &String| {
        let stem = one.strip_suffix('*').unwrap_or(one);
        !one.is_empty()
            && stem
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match patterns.iter().find(|one| !fits(one)) {
        None if patterns.len() <= 32 => Ok(patterns),
        None => Err(ApiError::new(
            Code::InvalidParameter,
            "`types` has more than 32 patterns; use `chain.*` or `*`",
        )),
        Some(bad) => Err(ApiError::new(
            Code::InvalidParameter,
            format!(
                "`types`: `{}` is not a pattern; use `*`, `chain.*` or a whole type",
                bad.escape_debug()
            ),
        )),
    }
}

/// A position in the journal, as a cursor or `Last-Event-ID` carries it.
fn position(field: &str, text: &str) -> ApiResult<u64> {
    text.trim().parse().map_err(|_| {
        ApiError::new(
            Code::InvalidParameter,
            format!(
                "`{field}` is not an event's number; leave it out to start at the oldest or newest"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked() {
        assert_eq!(patterns(None).unwrap(), ["*"]);
        assert_eq!(
            patterns(Some("chain.*, module.crashed")).unwrap(),
            ["chain.*", "module.crashed"]
        );
        for bad in ["", "a,,b", "cha*n.x", "a b"] {
            assert!(patterns(Some(bad)).is_err(), "{bad}");
        }
    }
}
