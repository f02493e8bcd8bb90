//! Webhooks that come in: who may send, what came, and one delivery with every attempt.

use askama::Template;

use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, Choice, Fact, FieldError, Pager, Tone, Value};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /webhooks`, and the answer to the forms on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/webhooks.html")]
pub struct Webhooks {
    /// The frame.
    pub chrome: Chrome,
    /// A secret that was just made.
    pub fresh: Option<FreshSecret>,
    /// Who may send.
    pub sources: Vec<SourceRow>,
    /// What came in, newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// Whether only dead letters are shown.
    pub dead_only: bool,
    /// Where the list continues.
    pub pager: Pager,
    /// Whether the visitor may change sources and replay deliveries.
    pub may_change: bool,
    /// How a new source signs.
    pub schemes: Vec<Choice>,
    /// How a signature of one's own kind is written.
    pub encodings: Vec<Choice>,
    /// What was typed.
    pub typed: NewSource,
    /// What is wrong with the form; ids are those of its fields.
    pub errors: Vec<FieldError>,
}

/// The form for a new source, as it was filled in; never its secret.
#[derive(Debug, Clone, Default)]
pub struct NewSource {
    /// The name.
    pub name: String,
    /// With a scheme of one's own: the header with the signature.
    pub signature_header: String,
    /// What stands before the signature.
    pub prefix: String,
    /// The header with the delivery's id.
    pub id_header: String,
}

/// A secret that was just made; the only moment it is seen.
#[derive(Clone)]
pub struct FreshSecret {
    /// Its source.
    pub source: String,
    /// The address that the sender needs.
    pub address: String,
    /// The secret; none where it was brought.
    pub secret: Option<String>,
}

impl std::fmt::Debug for FreshSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FreshSecret")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A source in the list.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// How it signs.
    pub scheme: String,
    /// Its bound, in words.
    pub rate: String,
    /// Its secrets.
    pub secrets: Vec<SecretRow>,
}

/// A secret without its text.
#[derive(Debug, Clone)]
pub struct SecretRow {
    /// When it was set.
    pub created: Stamp,
    /// When it was used last.
    pub last_used: Option<Stamp>,
    /// When it ends.
    pub expires: Option<Stamp>,
}

/// A delivery in the list.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// The sender's word for what happened.
    pub kind: String,
    /// What became of it.
    pub state: Badge,
    /// How large.
    pub size: String,
    /// When it came.
    pub received: Stamp,
}

/// `GET /deliveries/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/delivery.html")]
pub struct DeliveryPage {
    /// The frame.
    pub chrome: Chrome,
    /// The delivery.
    pub delivery: DeliveryRow,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// Everything that happened to it, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Its body, with secrets covered; none where it is kept no more.
    pub body: Option<String>,
    /// What was covered or left out.
    pub body_note: String,
    /// Whether it can be announced again.
    pub can_replay: bool,
}

/// Something that happened to a delivery.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// What.
    pub badge: Badge,
    /// When.
    pub at: Stamp,
    /// Who.
    pub who: String,
    /// The verdict's code.
    pub code: String,
    /// In words.
    pub detail: String,
}

fn delivery() -> DeliveryRow {
    DeliveryRow {
        id: "01JDAX0001".to_owned(),
        source: "github".to_owned(),
        kind: "pull_request".to_owned(),
        state: Badge::new(Tone::Good, "applied"),
        size: "8.1 kB".to_owned(),
        received: ago(90),
    }
}

impl Webhooks {
    /// Two sources, one delivery of each fate.
    pub fn sample() -> Self {
        let new = SecretRow {
            created: ago(3600),
            last_used: None,
            expires: None,
        };
        let old = SecretRow {
            created: ago(900_000),
            last_used: Some(ago(90)),
            expires: Some(ago(-80_000)),
        };
        let github = SourceRow {
            name: "github".to_owned(),
            scheme: "GitHub".to_owned(),
            rate: "600 a minute".to_owned(),
            secrets: vec![new.clone(), old],
        };
        let billing = SourceRow {
            name: "billing".to_owned(),
            scheme: "Standard Webhooks".to_owned(),
            secrets: vec![new],
            ..github.clone()
        };
        let refused = DeliveryRow {
            id: "01JDAX0002".to_owned(),
            state: Badge::new(Tone::Bad, "refused"),
            ..delivery()
        };
        Self {
            chrome: samples::chrome("/webhooks"),
            fresh: None,
            sources: vec![billing, github],
            deliveries: vec![refused, delivery()],
            dead_only: false,
            pager: Pager {
                newer: None,
                older: Some("/webhooks?cursor=01JDAX0001".to_owned()),
            },
            may_change: true,
            schemes: vec![
                Choice::new("github", "GitHub", true),
                Choice::new("standard", "Standard Webhooks", false),
                Choice::new("hmac", "HMAC-SHA256 in headers of its own", false),
            ],
            encodings: vec![
                Choice::new("hex", "hexadecimal", true),
                Choice::new("base64", "base64", false),
            ],
            typed: NewSource::default(),
            errors: Vec::new(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            sources: Vec::new(),
            deliveries: Vec::new(),
            pager: Pager::default(),
            ..Self::sample()
        };
        let reader = Self {
            may_change: false,
            dead_only: true,
            ..Self::sample()
        };
        let fresh = Self {
            fresh: Some(FreshSecret {
                source: "github".to_owned(),
                address: "http://127.0.0.1:8480/webhooks/github".to_owned(),
                secret: Some("4fU2mYx0vG1rJqT8bKzL5wNcPdEsHaQi7oRXt3V6yZu".to_owned()),
            }),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/webhooks"),
            fresh: Some(FreshSecret {
                source: HOSTILE.to_owned(),
                address: HOSTILE.to_owned(),
                secret: Some(HOSTILE.to_owned()),
            }),
            typed: NewSource {
                name: HOSTILE.to_owned(),
                signature_header: HOSTILE.to_owned(),
                prefix: HOSTILE.to_owned(),
                id_header: HOSTILE.to_owned(),
            },
            errors: vec![FieldError {
                id: HOSTILE.to_owned(),
                title: HOSTILE.to_owned(),
                message: HOSTILE.to_owned(),
            }],
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.sources[0].name);
        HOSTILE.clone_into(&mut hostile.deliveries[0].id);
        HOSTILE.clone_into(&mut hostile.deliveries[0].kind);
        hostile.deliveries[1].source = LONG.repeat(3);
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("reader", reader),
            ("fresh", fresh),
            ("hostile", hostile),
        ]
    }
}

impl DeliveryPage {
    /// A delivery that was sent twice and refused.
    pub fn sample() -> Self {
        let attempt = |badge: Badge, seconds, who: &str, detail: &str| AttemptRow {
            badge,
            at: ago(seconds),
            who: who.to_owned(),
            code: String::new(),
            detail: detail.to_owned(),
        };
        let mut refused = attempt(
            Badge::new(Tone::Bad, "verdict"),
            60,
            "governance",
            "refused: no rules for example/example",
        );
        "unknown_repository".clone_into(&mut refused.code);
        Self {
            chrome: samples::chrome("/webhooks"),
            delivery: DeliveryRow {
                state: Badge::new(Tone::Bad, "refused"),
                ..delivery()
            },
            facts: vec![
                Fact::text("Source", "github"),
                Fact::code("SHA-256 of the body", "ab".repeat(32)),
                Fact::new("Came in", Value::Time(ago(90))),
            ],
            attempts: vec![
                attempt(Badge::new(Tone::Good, "received"), 90, "github", "accepted"),
                attempt(
                    Badge::new(Tone::Quiet, "duplicate"),
                    80,
                    "github",
                    "delivered again",
                ),
                refused,
            ],
            body: Some("{\n  \"action\": \"opened\"\n}".to_owned()),
            body_note: String::new(),
            can_replay: true,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let dropped = Self {
            body: None,
            can_replay: false,
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/webhooks"),
            facts: vec![Fact::text(HOSTILE, HOSTILE)],
            body: Some(HOSTILE.to_owned()),
            body_note: HOSTILE.to_owned(),
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.delivery.id);
        HOSTILE.clone_into(&mut hostile.delivery.kind);
        HOSTILE.clone_into(&mut hostile.attempts[0].who);
        hostile.attempts[1].detail = LONG.repeat(3);
        HOSTILE.clone_into(&mut hostile.attempts[2].code);
        vec![
            ("sample", Self::sample()),
            ("dropped", dropped),
            ("hostile", hostile),
        ]
    }
}
