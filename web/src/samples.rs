//! Made-up values for the samples of all pages: a fixed moment, hostile and
//! overlong strings, one frame. Tests and the gallery draw every page from them.

use askama::Template as _;
use jiff::{SignedDuration, Timestamp};

use crate::format::{Hash, Stamp};
use crate::layout::{Chrome, Flash, NodeStrip};
use crate::pages::{self, module};
use crate::parts::{Badge, Tone};

/// A string that must never reach a page unescaped.
pub const HOSTILE: &str =
    "<script>alert('x')</script>\" onmouseover=\"alert(1)\" x='</textarea><b>";

/// A name of the greatest length, without a place to break.
pub const LONG: &str = "a-module-with-a-name-of-exactly-sixty-four-characters-as-allowed";

/// A block hash.
pub const BLOCK: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

/// The digest of a package.
pub const DIGEST: &str = "sha256:9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab";

/// The moment at which all samples are drawn: 2026-11-22 18:00:00 UTC.
pub fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_795_370_400)
}

/// So many seconds before [`now`].
pub fn ago(seconds: i64) -> Stamp {
    Stamp::new(now() - SignedDuration::from_secs(seconds), now())
}

/// A frame of someone who is logged in.
pub fn chrome(path: &str) -> Chrome {
    Chrome {
        path: path.to_owned(),
        here: path.to_owned(),
        user: Some("operator".to_owned()),
        csrf: "sample-csrf-token".to_owned(),
        node: Some(NodeStrip {
            state: Badge::new(Tone::Good, "ready"),
            chain: "regtest".to_owned(),
            backend: "embedded".to_owned(),
            height: "1,204".to_owned(),
            hash: Some(Hash::new(BLOCK)),
            tip_time: Some(ago(185)),
        }),
        flash: None,
        modules_waiting: 2,
        operations_running: 1,
        version: "0.1.0".to_owned(),
    }
}

/// A frame of someone who is not logged in.
pub fn chrome_logged_out(path: &str) -> Chrome {
    Chrome {
        user: None,
        node: None,
        modules_waiting: 0,
        operations_running: 0,
        ..chrome(path)
    }
}

/// A frame with a message of the last action.
pub fn chrome_with_flash(path: &str, tone: Tone, text: &str) -> Chrome {
    let flash = Flash {
        tone,
        text: text.to_owned(),
        operation: Some("01JDAXP2Q4".to_owned()),
    };
    Chrome {
        flash: Some(flash),
        ..chrome(path)
    }
}

/// A frame in which everything that can be is hostile.
pub fn chrome_hostile(path: &str) -> Chrome {
    let flash = Flash {
        tone: Tone::Bad,
        text: HOSTILE.to_owned(),
        operation: Some(HOSTILE.to_owned()),
    };
    Chrome {
        here: format!("{path}?q={HOSTILE}"),
        user: Some(HOSTILE.to_owned()),
        csrf: HOSTILE.to_owned(),
        node: Some(NodeStrip {
            state: Badge::new(Tone::Bad, HOSTILE),
            chain: HOSTILE.to_owned(),
            backend: HOSTILE.to_owned(),
            height: HOSTILE.to_owned(),
            hash: Some(Hash::new(HOSTILE)),
            tip_time: Some(ago(4_000_000)),
        }),
        flash: Some(flash),
        modules_waiting: u32::MAX,
        operations_running: u32::MAX,
        version: HOSTILE.to_owned(),
        ..chrome(path)
    }
}

/// One sample of one page, drawn.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Page and state: `module-logs--empty`.
    pub name: String,
    /// The HTML.
    pub html: String,
}

/// Draws every sample of every page.
///
/// # Errors
/// If a template can't be rendered.
pub fn draw_all() -> Result<Vec<Drawn>, askama::Error> {
    let mut drawn = Vec::new();
    macro_rules! draw {
        ($($page:literal => $view:ty),* $(,)?) => {$(
            for (state, view) in <$view>::samples() {
                drawn.push(Drawn { name: format!("{}--{state}", $page), html: view.render()? });
            }
        )*};
    }
    draw! {
        "login" => pages::Login,
        "error" => pages::ErrorPage,
        "overview" => pages::Overview,
        "modules" => pages::Modules,
        "catalog" => pages::Catalog,
        "listed" => pages::ListedPage,
        "review" => pages::Review,
        "module-overview" => module::ModuleOverview,
        "module-configuration" => module::Configuration,
        "module-revision" => module::Revision,
        "module-method" => module::MethodCall,
        "module-page" => module::ModulePage,
        "module-logs" => module::Logs,
        "module-events" => module::ModuleEvents,
        "module-permissions" => module::Permissions,
        "module-versions" => module::Versions,
        "module-runs" => module::Runs,
        "module-danger" => module::Danger,
        "node" => pages::Node,
        "operations" => pages::Operations,
        "operation" => pages::OperationPage,
        "events" => pages::Events,
        "audit" => pages::Audit,
        "tokens" => pages::Tokens,
        "backups" => pages::Backups,
        "webhooks" => pages::Webhooks,
        "delivery" => pages::DeliveryPage,
        "webhook-endpoints" => pages::Endpoints,
        "webhook-endpoint" => pages::EndpointPage,
        "webhook-message" => pages::MessagePage,
        "settings" => pages::Settings,
    }
    Ok(drawn)
}
