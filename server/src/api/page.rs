//! Cursor pages: `?limit=&cursor=` in, `{ items, next }` out.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, Code};
use crate::store::{Page, PageRequest};

/// Items of a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 100;
/// Items of a page at the most.
pub const MAX_LIMIT: u32 = 1000;

/// Asks for a page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The page that the store is asked for, checked.
    ///
    /// # Errors
    /// `invalid_parameter` for a limit out of range.
    pub fn request(&self) -> ApiResult<PageRequest> {
        Ok(PageRequest {
            after: self.cursor.clone(),
            limit: Some(checked_limit(self.limit)?),
        })
    }
}

/// The number of items that a caller asked for, checked.
///
/// # Errors
/// `invalid_parameter` for a limit out of range.
pub fn checked_limit(limit: Option<u32>) -> ApiResult<u32> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(limit) => Err(ApiError::new(
            Code::InvalidParameter,
            format!("`limit` is {limit}; use 1 to {MAX_LIMIT}"),
        )),
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageView<T> {
    /// The items.
    pub items: Vec<T>,
    /// The next page's cursor; none at the end.
    pub next: Option<String>,
}

impl<T> From<Page<T>> for PageView<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            items: page.items,
            next: page.next,
        }
    }
}

impl<T> PageView<T> {
    /// A list that fits on one page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
