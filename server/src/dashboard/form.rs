//! Forms: the fields in order, read only after the session's token in them was checked.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts as _, Request};

use super::visit::Visit;
use crate::api::Api;
use crate::api::edge::MAX_FORM_BYTES;
use crate::api::error::{ApiError, ApiResult, Code};

/// The fields of a form. A name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of a name; empty where it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The first field of a name.
    pub fn find<'f>(&'f self, name: &str) -> Option<&'f str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every field of a name.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// A form by someone who is logged in, with the session's token in it. A handler that takes a form
/// this way cannot forget the check.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Who.
    pub visit: Visit,
    /// What they typed.
    pub fields: Fields,
}

impl FromRequest<Api> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> ApiResult<Self> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, api).await?;
        let fields = read(Request::from_parts(parts, body), api).await?;
        visit.session.verify_csrf(fields.get("_csrf"))?;
        Ok(Self { visit, fields })
    }
}

/// Reads a form whose sender nobody checked.
///
/// # Errors
/// When it is no form, or too large.
pub async fn read(request: Request, api: &Api) -> ApiResult<Fields> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, MAX_FORM_BYTES)
        .await
        .map_err(|_| {
            let limit = MAX_FORM_BYTES / 1024;
            ApiError::new(
                Code::PayloadTooLarge,
                format!("the form is larger than {limit} KiB"),
            )
        })?;
    let request = Request::from_parts(parts, bytes.into());
    let form = Form::<Vec<(String, String)>>::from_request(request, api).await;
    let Form(fields) = form.map_err(|error| ApiError::new(Code::InvalidBody, error.body_text()))?;
    Ok(fields.into_iter().collect())
}
