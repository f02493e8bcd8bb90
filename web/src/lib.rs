//! What the dashboard looks like: one view struct a page, its template, the
//! static files. Knows no store and no HTTP; whoever serves it fills a struct
//! with ready-to-show values and calls [`Template::render`].
//!
//! Everything works without script as links and form posts. Script only keeps
//! a page fresh: the element `#live` of a page is fetched again from the same
//! address whenever the stream at `/live` says `changed`. So a page needs no
//! second route for its fragment.
//!
//! | Address | Page or action |
//! |---|---|
//! | `GET /login?code=`, `POST /login {token, next}`, `POST /logout` | [`pages::Login`] |
//! | `GET /` | [`pages::Overview`] |
//! | `GET /modules` | [`pages::Modules`] |
//! | `POST /modules/add {path}` | record a folder or binary, answer with its review |
//! | `POST /modules/upload {file..}` | multipart: the files of one package folder |
//! | `GET /modules/{name}/review` | [`pages::Review`] |
//! | `POST /modules/{name}/load {digest, grant..}` | consent, grants and load |
//! | `POST /modules/{name}/unload`, `reload`, `enable`, `disable` | the verbs |
//! | `POST /modules/{name}/uninstall {confirm, data}` | type-the-name removal |
//! | `GET /modules/{name}` | [`pages::module::ModuleOverview`] |
//! | `GET, POST /modules/{name}/configuration` | [`pages::module::Configuration`] |
//! | `GET /modules/{name}/configuration/{revision}`, `POST …/restore` | [`pages::module::Revision`] |
//! | `GET /modules/{name}/logs`, `logs/stream`, `logs/download` | [`pages::module::Logs`] |
//! | `GET /modules/{name}/events` | [`pages::module::ModuleEvents`] |
//! | `GET, POST /modules/{name}/permissions {grant, revoke, waive or require}` | [`pages::module::Permissions`] |
//! | `GET /modules/{name}/versions?path=`, `POST .../upgrade {path, digest, grant}`, `.../rollback {data}`, `.../pin {pinned}` | [`pages::module::Versions`] |
//! | `GET, POST /modules/{name}/methods/{method} {params}` | [`pages::module::MethodCall`] |
//! | `GET /modules/{name}/runs` | [`pages::module::Runs`] |
//! | `GET /modules/{name}/danger` | [`pages::module::Danger`] |
//! | `GET /node`, `POST /node/mine {count, address}` | [`pages::Node`] |
//! | `GET /operations`, `/operations/{id}`, `POST /operations/{id}/cancel` | [`pages::Operations`], [`pages::OperationPage`] |
//! | `GET /events`, `GET /audit` | [`pages::Events`], [`pages::Audit`] |
//! | `GET, POST /tokens {name, scope.., expires}`, `POST /tokens/{id}/revoke` | [`pages::Tokens`] |
//! | `GET, POST /backups {passphrase}` | [`pages::Backups`] |
//! | `GET /settings` | [`pages::Settings`] |
//! | `GET /assets/{name}` | [`assets::find`] |
//! | `GET /live` | stream of named events `changed` |
//!
//! Each form carries the hidden field `_csrf` with [`layout::Chrome::csrf`].

pub mod assets;
pub mod format;
pub mod layout;
pub mod pages;
pub mod parts;
pub mod samples;

pub use askama::Template;

/// What the dashboard's answers must carry as `Content-Security-Policy`; the
/// pages hold no inline script and no inline style.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";
