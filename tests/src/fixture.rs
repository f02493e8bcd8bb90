//! Folders with a module in them: the fixture program under a name that says how it behaves.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::programs::program;

/// What a fixture may do unless a test says otherwise.
pub const CAPABILITIES: &[&str] = &[
    "events.publish",
    "events.subscribe",
    "module.list",
    "module.register",
    "storage",
];

/// The schema of every fixture's configuration.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "greeting": { "type": "string", "default": "hello", "description": "What it says." },
    "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 8090 },
    "subscribe": { "type": "string", "default": "", "description": "The events it wants." },
    "on_reload": {
      "type": "string",
      "enum": ["work", "exit", "hang", "never_ready", "refuse", "garbage"],
      "default": "work",
      "description": "What a process does that was started by a reload."
    },
    "secret": { "type": "string", "x-secret": true }
  }
}
"#;

/// A module to be: `Fixture::new("silent")` is the module `fixture-silent`.
#[derive(Clone, Debug)]
pub struct Fixture {
    name: String,
    capabilities: Vec<String>,
    reload: &'static str,
    restart: (u32, u32),
    healthy_after: Option<u32>,
    subscribe: String,
    extra: String,
    place: &'static str,
    version: String,
    last: String,
}

impl Fixture {
    /// A fixture that behaves as `behaviour` says; a number at its end only tells it from others.
    pub fn new(behaviour: impl AsRef<str>) -> Self {
        Self {
            name: format!("fixture-{}", behaviour.as_ref()),
            capabilities: CAPABILITIES.iter().map(ToString::to_string).collect(),
            reload: "exclusive",
            restart: (5, 50),
            healthy_after: None,
            subscribe: String::new(),
            extra: String::new(),
            place: "fixture",
            version: "1.0.0".to_owned(),
            last: String::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for these capabilities only.
    #[must_use]
    pub fn capabilities(mut self, names: &[&str]) -> Self {
        self.capabilities = names.iter().map(ToString::to_string).collect();
        self
    }

    /// How it is reloaded.
    #[must_use]
    pub fn reload(mut self, mode: &'static str) -> Self {
        self.reload = mode;
        self
    }

    /// First and longest wait after a crash, in milliseconds.
    #[must_use]
    pub fn restart(mut self, initial_ms: u32, max_ms: u32) -> Self {
        self.restart = (initial_ms, max_ms);
        self
    }

    /// After so many milliseconds without a crash, the next one restarts at once.
    #[must_use]
    pub fn healthy_after(mut self, ms: u32) -> Self {
        self.healthy_after = Some(ms);
        self
    }

    /// Subscribes to these events by the default of its configuration.
    #[must_use]
    pub fn subscribe(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.subscribe);
        self
    }

    /// Its version, and with it a program of its own.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// A table of its module.toml, at the end.
    #[must_use]
    pub fn last(mut self, table: &str) -> Self {
        table.clone_into(&mut self.last);
        self
    }

    /// Lines more in its module.toml, at the top.
    #[must_use]
    pub fn extra(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// Puts the program at this place of the folder, such as `target/release/fixture`.
    #[must_use]
    pub fn program_at(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }

    /// Its module.toml.
    pub fn manifest(&self) -> String {
        let mut text = format!(
            "name = \"{}\"\nversion = \"{}\"\nentry_point = \"fixture\"\n",
            self.name, self.version
        );
        let names: Vec<String> = self
            .capabilities
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "capabilities = [{}]", names.join(", "));
        text.push_str(&self.extra);
        let (initial, max) = self.restart;
        let _ = write!(
            text,
            "[config]\nschema = \"config.schema.json\"\n[reload]\nmode = \"{}\"\n\
             [restart]\ninitial_ms = {initial}\nmax_ms = {max}\n",
            self.reload
        );
        if let Some(ms) = self.healthy_after {
            let _ = writeln!(text, "healthy_after_ms = {ms}");
        }
        let _ = writeln!(text, "{}", self.last);
        text
    }

    /// Writes the module's folder below `parent`, under the module's name.
    pub fn write_below(&self, parent: &Path) -> PathBuf {
        let folder = parent.join(&self.name);
        let binary = folder.join(self.place);
        std::fs::create_dir_all(binary.parent().expect("a folder around the program"))
            .expect("the module's folder");
        std::fs::copy(program("fixture"), &binary).expect("the fixture program");
        if self.version != "1.0.0" {
            // Bytes behind a program's end change its digest and nothing else.
            let mut file = std::fs::File::options()
                .append(true)
                .open(&binary)
                .expect("the program");
            std::io::Write::write_all(&mut file, self.version.as_bytes()).expect("its end");
        }
        let schema = SCHEMA.replace(
            "\"default\": \"\", \"description\": \"The events",
            &format!(
                "\"default\": \"{}\", \"description\": \"The events",
                self.subscribe
            ),
        );
        std::fs::write(folder.join("config.schema.json"), schema).expect("the schema");
        std::fs::write(folder.join("module.toml"), self.manifest()).expect("the manifest");
        folder
    }
}
