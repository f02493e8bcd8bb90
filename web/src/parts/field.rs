//! A form field of a module's configuration, as its schema describes it.

/// One of several options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub label: String,
    /// Whether it is chosen.
    pub selected: bool,
}

impl Choice {
    /// A choice that shows what it sends.
    pub fn plain(value: impl Into<String>, selected: bool) -> Self {
        let value = value.into();
        Self {
            label: value.clone(),
            value,
            selected,
        }
    }

    /// A choice with a label of its own.
    pub fn new(value: impl Into<String>, label: impl Into<String>, selected: bool) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            selected,
        }
    }
}

/// Which control shows a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no; an absent field in the form means no.
    Toggle,
    /// One of [`Field::options`].
    Choice,
    /// A list, one item a line.
    Lines,
    /// A secret: never shown; an empty field keeps what is set.
    Secret,
    /// Anything else, as TOML.
    Raw,
}

/// One key of a configuration with all that a control needs.
#[derive(Debug, Clone)]
pub struct Field {
    /// Dotted path in the configuration; the control is named `c.<key>`.
    pub key: String,
    /// The schema's title, or the key.
    pub title: String,
    /// The schema's description.
    pub description: String,
    /// Which control.
    pub kind: FieldKind,
    /// The value as text; for a toggle `true` or `false`; never a secret.
    pub value: String,
    /// The default as text; empty if there is none.
    pub default: String,
    /// Smallest number or length.
    pub min: Option<String>,
    /// Largest number or length.
    pub max: Option<String>,
    /// Regular expression that the browser checks too.
    pub pattern: Option<String>,
    /// Options of a choice.
    pub options: Vec<Choice>,
    /// Whether it must be there.
    pub required: bool,
    /// Whether a secret is set.
    pub secret_set: bool,
    /// What changing it costs, if not a reload in place: `restarts the module`.
    pub cost: Option<String>,
    /// What is wrong with the value.
    pub error: Option<String>,
    /// Which form it stands in, where a page has several: part of the control's id.
    pub scope: String,
}

impl Field {
    /// A text field without limits; the rest is set by struct update.
    pub fn text(
        key: impl Into<String>,
        title: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            title: title.into(),
            description: String::new(),
            kind: FieldKind::Text,
            value: value.into(),
            default: String::new(),
            min: None,
            max: None,
            pattern: None,
            options: Vec::new(),
            required: false,
            secret_set: false,
            cost: None,
            error: None,
            scope: String::new(),
        }
    }

    /// The control's id; error summaries link to it.
    pub fn id(&self) -> String {
        let safe: String = self
            .key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        format!("field-{}{safe}", self.scope)
    }

    /// Whether a toggle is on.
    pub fn is_on(&self) -> bool {
        self.value == "true"
    }

    /// Whether the default is worth a word: there is one and it is not the value.
    pub fn differs_from_default(&self) -> bool {
        !self.default.is_empty() && self.default != self.value
    }
}

/// Fields under one heading: a table of the configuration.
#[derive(Debug, Clone)]
pub struct Section {
    /// The heading; empty for the top.
    pub title: String,
    /// What the section is for.
    pub description: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// One line of an error summary.
#[derive(Debug, Clone)]
pub struct FieldError {
    /// Id of the control.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Section {
    /// What the fields of these sections complain about, for the summary above the form.
    pub fn errors(sections: &[Self]) -> Vec<FieldError> {
        let fields = sections.iter().flat_map(|section| &section.fields);
        fields
            .filter_map(|field| {
                let message = field.error.clone()?;
                Some(FieldError {
                    id: field.id(),
                    title: field.title.clone(),
                    message,
                })
            })
            .collect()
    }
}
