//! Lists in pages, newest first, by a cursor that callers pass back untouched.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::StoreError;

/// Most items of one page.
const MAX_LIMIT: u32 = 1000;
const DEFAULT_LIMIT: u32 = 50;

/// Which page is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the page before; none for the first.
    pub after: Option<String>,
    /// At most so many items; 50 where none is given, 1,000 at the most.
    pub limit: Option<u32>,
}

impl PageRequest {
    /// The first page with the usual number of items.
    pub fn first() -> Self {
        Self::default()
    }

    /// The first page with at most `limit` items.
    pub fn of(limit: u32) -> Self {
        Self {
            after: None,
            limit: Some(limit),
        }
    }

    fn size(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// How many rows to ask for: one more than shown tells whether there is a next page.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    /// The cursor, read as what the list is ordered by.
    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, StoreError> {
        self.after
            .as_ref()
            .map(|cursor| {
                cursor.parse().map_err(|_| StoreError::BadCursor {
                    cursor: cursor.chars().take(64).collect(),
                })
            })
            .transpose()
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page; missing on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows as they were read: one too many tells that there is more, and the last one
    /// shown gives the cursor.
    pub(super) fn of_rows<R>(
        rows: Vec<R>,
        request: &PageRequest,
        cursor: impl Fn(&T) -> String,
    ) -> Result<Self, StoreError>
    where
        T: TryFrom<R, Error = StoreError>,
    {
        let items = rows.into_iter().map(T::try_from);
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        let size = request.size() as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(cursor) } else { None };
        Ok(Self { items, next })
    }

    /// The same page with each item seen another way.
    pub fn map<U>(self, see: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(see).collect(),
            next: self.next,
        }
    }
}
