//! Webhooks that go out: who is told, one endpoint with its lane and keys, one message with every
//! attempt.

use askama::Template;

use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, Choice, Fact, FieldError, Pager, Tone, Value};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /webhook-endpoints`, and the answer to the form on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/endpoints.html")]
pub struct Endpoints {
    /// The frame.
    pub chrome: Chrome,
    /// Who is told.
    pub endpoints: Vec<EndpointRow>,
    /// Messages, newest first.
    pub messages: Vec<MessageRow>,
    /// Whether only messages that failed are shown.
    pub failed_only: bool,
    /// Where the list continues.
    pub pager: Pager,
    /// Whether the visitor may change endpoints.
    pub may_change: bool,
    /// How messages to a new endpoint are signed.
    pub signings: Vec<Choice>,
    /// What was typed.
    pub typed: EndpointForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

/// `GET /webhook-endpoints/{name}`, and the answer to the forms on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/endpoint.html")]
pub struct EndpointPage {
    /// The frame.
    pub chrome: Chrome,
    /// The endpoint.
    pub endpoint: EndpointRow,
    /// A key that was just made.
    pub fresh: Option<FreshKey>,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// What messages are signed with, newest first.
    pub keys: Vec<KeyRow>,
    /// Its messages, newest first.
    pub messages: Vec<MessageRow>,
    /// Where the list continues.
    pub pager: Pager,
    /// Whether it is sent to.
    pub enabled: bool,
    /// Whether some of its messages failed.
    pub has_failed: bool,
    /// Whether the visitor may change it.
    pub may_change: bool,
    /// Its settings as they are, or as they were typed.
    pub form: EndpointForm,
    /// What is wrong with them.
    pub errors: Vec<FieldError>,
}

/// `GET /webhook-messages/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/message.html")]
pub struct MessagePage {
    /// The frame.
    pub chrome: Chrome,
    /// The message.
    pub message: MessageRow,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// Every attempt, oldest first.
    pub attempts: Vec<TryRow>,
    /// Its body, with secrets covered.
    pub body: String,
    /// Whether it can be sent again.
    pub can_redeliver: bool,
}

/// What is typed about an endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndpointForm {
    /// The name.
    pub name: String,
    /// Where to.
    pub url: String,
    /// Which events, between spaces.
    pub events: String,
    /// In seconds.
    pub timeout_s: String,
    /// Whether the order is kept.
    pub ordered: bool,
    /// For people.
    pub description: String,
}

/// What the receiver needs, shown this once.
#[derive(Clone)]
pub struct FreshKey {
    /// The secret; none where the receiver needs a public key only.
    pub secret: Option<String>,
    /// The public key.
    pub public: Option<String>,
}

impl std::fmt::Debug for FreshKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FreshKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// An endpoint in the list.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    /// Its name.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// Which events.
    pub events: String,
    /// Enabled, failing, held or disabled.
    pub state: Badge,
    /// Why, in words.
    pub reason: String,
    /// Messages that wait and that failed, in words.
    pub queue: String,
}

/// A key in the list.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// How it signs.
    pub scheme: String,
    /// What the receiver checks with.
    pub public: Option<String>,
    /// When it was set.
    pub created: Stamp,
    /// When it stops signing.
    pub expires: Option<Stamp>,
}

/// A message in the list.
#[derive(Debug, Clone)]
pub struct MessageRow {
    /// Its id.
    pub id: String,
    /// To whom.
    pub endpoint: String,
    /// The event's type.
    pub kind: String,
    /// What became of it.
    pub state: Badge,
    /// How often it was tried and when it is next, in words.
    pub tries: String,
    /// When it is tried next.
    pub due: Option<Stamp>,
    /// When it was queued.
    pub queued: Stamp,
}

/// An attempt.
#[derive(Debug, Clone)]
pub struct TryRow {
    /// What came of it.
    pub badge: Badge,
    /// When.
    pub at: Stamp,
    /// How long it took.
    pub took: String,
    /// In words.
    pub detail: String,
    /// The beginning of the answer.
    pub reply: String,
}

fn endpoint() -> EndpointRow {
    EndpointRow {
        name: "ops".to_owned(),
        url: "https://example.org/hooks/bllvm".to_owned(),
        events: "chain.*, module.crashed".to_owned(),
        state: Badge::new(Tone::Good, "enabled"),
        reason: String::new(),
        queue: "nothing waits".to_owned(),
    }
}

fn message() -> MessageRow {
    MessageRow {
        id: "01JDAX0001".to_owned(),
        endpoint: "ops".to_owned(),
        kind: "chain.block_connected".to_owned(),
        state: Badge::new(Tone::Good, "delivered"),
        tries: "taken at the first try".to_owned(),
        due: None,
        queued: ago(90),
    }
}

fn failing() -> MessageRow {
    MessageRow {
        id: "01JDAX0002".to_owned(),
        state: Badge::new(Tone::Busy, "waiting"),
        tries: "3 tries, next".to_owned(),
        due: Some(ago(-1500)),
        ..message()
    }
}

fn hostile_form() -> EndpointForm {
    EndpointForm {
        name: HOSTILE.to_owned(),
        url: HOSTILE.to_owned(),
        events: HOSTILE.to_owned(),
        timeout_s: HOSTILE.to_owned(),
        ordered: true,
        description: HOSTILE.to_owned(),
    }
}

fn hostile_errors() -> Vec<FieldError> {
    vec![FieldError {
        id: HOSTILE.to_owned(),
        title: HOSTILE.to_owned(),
        message: HOSTILE.to_owned(),
    }]
}

impl Endpoints {
    /// One that works, one that fails, one that is disabled.
    pub fn sample() -> Self {
        let held = EndpointRow {
            name: "pager".to_owned(),
            state: Badge::new(Tone::Warn, "failing"),
            reason: "7 attempts failed in a row; the next is in 2 min".to_owned(),
            queue: "12 wait, 1 failed".to_owned(),
            ..endpoint()
        };
        let disabled = EndpointRow {
            name: "old-ci".to_owned(),
            state: Badge::new(Tone::Quiet, "disabled"),
            reason: "answered 410 Gone: the receiver wants nothing more".to_owned(),
            ..endpoint()
        };
        Self {
            chrome: samples::chrome("/webhooks"),
            endpoints: vec![endpoint(), held, disabled],
            messages: vec![failing(), message()],
            failed_only: false,
            pager: Pager {
                newer: None,
                older: Some("/webhook-endpoints?cursor=01JDAX0001".to_owned()),
            },
            may_change: true,
            signings: vec![
                Choice::new("v1", "a shared secret (v1)", true),
                Choice::new("v1a", "a key pair (v1a, Ed25519)", false),
            ],
            typed: EndpointForm::default(),
            errors: Vec::new(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            endpoints: Vec::new(),
            messages: Vec::new(),
            pager: Pager::default(),
            ..Self::sample()
        };
        let reader = Self {
            may_change: false,
            failed_only: true,
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/webhooks"),
            typed: hostile_form(),
            errors: hostile_errors(),
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.endpoints[0].name);
        HOSTILE.clone_into(&mut hostile.endpoints[1].reason);
        hostile.endpoints[2].url = LONG.repeat(3);
        HOSTILE.clone_into(&mut hostile.messages[0].kind);
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("reader", reader),
            ("hostile", hostile),
        ]
    }
}

impl EndpointPage {
    /// One in the middle of a change of keys.
    pub fn sample() -> Self {
        let old = KeyRow {
            scheme: "v1".to_owned(),
            public: None,
            created: ago(900_000),
            expires: Some(ago(-80_000)),
        };
        let new = KeyRow {
            scheme: "v1a".to_owned(),
            public: Some("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_owned()),
            created: ago(3600),
            expires: None,
        };
        Self {
            chrome: samples::chrome("/webhooks"),
            endpoint: endpoint(),
            fresh: None,
            facts: vec![
                Fact::code("Address", "https://example.org/hooks/bllvm"),
                Fact::text("Events", "chain.*, module.crashed"),
                Fact::text("Order", "each message for itself"),
                Fact::new("Made", Value::Time(ago(900_000))),
            ],
            keys: vec![new, old],
            messages: vec![failing(), message()],
            pager: Pager::default(),
            enabled: true,
            has_failed: true,
            may_change: true,
            form: EndpointForm {
                name: "ops".to_owned(),
                url: "https://example.org/hooks/bllvm".to_owned(),
                events: "chain.* module.crashed".to_owned(),
                timeout_s: "15".to_owned(),
                ordered: false,
                description: "The pager of the people on duty".to_owned(),
            },
            errors: Vec::new(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let disabled = Self {
            enabled: false,
            endpoint: EndpointRow {
                state: Badge::new(Tone::Quiet, "disabled"),
                reason: "answered 410 Gone: the receiver wants nothing more".to_owned(),
                ..endpoint()
            },
            messages: Vec::new(),
            ..Self::sample()
        };
        let fresh = Self {
            fresh: Some(FreshKey {
                secret: Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
                public: None,
            }),
            ..Self::sample()
        };
        let reader = Self {
            may_change: false,
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/webhooks"),
            fresh: Some(FreshKey {
                secret: Some(HOSTILE.to_owned()),
                public: Some(HOSTILE.to_owned()),
            }),
            facts: vec![Fact::code(HOSTILE, HOSTILE)],
            form: hostile_form(),
            errors: hostile_errors(),
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.endpoint.name);
        HOSTILE.clone_into(&mut hostile.endpoint.reason);
        hostile.keys[0].public = Some(HOSTILE.to_owned());
        HOSTILE.clone_into(&mut hostile.messages[0].id);
        vec![
            ("sample", Self::sample()),
            ("disabled", disabled),
            ("fresh", fresh),
            ("reader", reader),
            ("hostile", hostile),
        ]
    }
}

impl MessagePage {
    /// One that failed twice and was taken.
    pub fn sample() -> Self {
        let attempt = |tone, word: &str, seconds, detail: &str| TryRow {
            badge: Badge::new(tone, word),
            at: ago(seconds),
            took: "212 ms".to_owned(),
            detail: detail.to_owned(),
            reply: String::new(),
        };
        let mut failed = attempt(
            Tone::Bad,
            "status",
            400,
            "answered 500 Internal Server Error",
        );
        "{\"error\":\"database is locked\"}".clone_into(&mut failed.reply);
        Self {
            chrome: samples::chrome("/webhooks"),
            message: message(),
            facts: vec![
                Fact::code("webhook-id", "msg_01JDAX0001"),
                Fact::text("Event", "no. 4711"),
                Fact::new("Queued", Value::Time(ago(405))),
            ],
            attempts: vec![
                failed,
                attempt(Tone::Bad, "timeout", 380, "no whole answer within 15 s"),
                attempt(Tone::Good, "delivered", 60, "answered 200 OK"),
            ],
            body: "{\n  \"type\": \"chain.block_connected\"\n}".to_owned(),
            can_redeliver: true,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let waiting = Self {
            message: failing(),
            attempts: Vec::new(),
            can_redeliver: false,
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/webhooks"),
            facts: vec![Fact::text(HOSTILE, HOSTILE)],
            body: HOSTILE.to_owned(),
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.message.endpoint);
        HOSTILE.clone_into(&mut hostile.attempts[0].reply);
        hostile.attempts[1].detail = LONG.repeat(3);
        vec![
            ("sample", Self::sample()),
            ("waiting", waiting),
            ("hostile", hostile),
        ]
    }
}
