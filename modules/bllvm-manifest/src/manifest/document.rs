//! The manifest as a whole: its fields, reading it, writing it.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Table;
use utoipa::ToSchema;

use super::lifecycle::{ConfigFile, ModuleData, Reload, Restart, Runtime, SandboxWishes};
use super::network::Network;
use super::package::Package;
use super::protocol::ProtocolRange;
use super::reader::{Problems, Section};
use super::resources::Resources;
use super::ui::Ui;
use crate::error::ManifestError;
use crate::file::{position, read_bounded};
use crate::name::{EntryPoint, ModuleName};

/// A larger manifest is refused before anything looks into it.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// `module.toml`, checked. `MANIFEST.md` describes each key.
///
/// It serialises to the shape it is read from, with defaults filled in, so that
/// the same type is the API's view; and it deserialises by the same checks as
/// [`Manifest::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Manifest {
    /// What the module is called; its folder has the same name.
    pub name: ModuleName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Version,
    /// The file name of its program, or script where `runtime` is set.
    pub entry_point: EntryPoint,
    /// One line about what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// An SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// An http or https address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The IPC versions it speaks.
    pub protocol: ProtocolRange,
    /// The capabilities it asks for, well spelled but not compared with any list.
    pub capabilities: Vec<String>,
    /// Modules it cannot run without.
    #[schema(value_type = BTreeMap<String, String>)]
    pub dependencies: BTreeMap<ModuleName, VersionReq>,
    /// Modules it uses if they are there.
    #[schema(value_type = BTreeMap<String, String>)]
    pub optional_dependencies: BTreeMap<ModuleName, VersionReq>,
    /// Sockets and connections.
    pub network: Network,
    /// The most it may use.
    pub resources: Resources,
    /// What it asks of its sandbox.
    pub sandbox: SandboxWishes,
    /// Where its configuration's schema lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigFile>,
    /// Who else can read its data, and how it is backed up.
    pub data: ModuleData,
    /// How it shows itself.
    pub ui: Ui,
    /// How it is reloaded.
    pub reload: Reload,
    /// How soon it is restarted.
    pub restart: Restart,
    /// What runs it, where it is a script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// What packaging wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
}

impl Manifest {
    /// Reads a manifest from text, and reports everything that is wrong with it.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let size = text.len();
        if size > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge {
                size,
                limit: MAX_MANIFEST_BYTES,
            });
        }
        let table = text.parse::<Table>().map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let (line, column) = position(text.as_bytes(), offset);
            ManifestError::Syntax {
                line,
                column,
                message: error.message().to_owned(),
            }
        })?;
        Self::from_table(table)
    }

    /// Reads a manifest from bytes of unknown origin.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let size = bytes.len();
        if size > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge {
                size,
                limit: MAX_MANIFEST_BYTES,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let (line, column) = position(bytes, error.valid_up_to());
            ManifestError::NotUtf8 { line, column }
        })?;
        Self::parse(text)
    }

    /// Reads a manifest from a file; one above [`MAX_MANIFEST_BYTES`] is refused by its size.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        Self::parse_bytes(&Self::read_bytes(path)?)
    }

    /// The exact bytes of a manifest's file, for digests and signatures.
    ///
    /// # Errors
    /// [`ManifestError::File`].
    pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ManifestError> {
        Ok(read_bounded(path, MAX_MANIFEST_BYTES as u64)?)
    }

    /// Writes the manifest with every default filled in; [`Manifest::parse`] reads it back.
    ///
    /// # Errors
    /// Only for numbers beyond TOML's, which no parsed manifest holds.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// The title for people, or the name.
    pub fn title(&self) -> &str {
        self.ui.title.as_deref().unwrap_or(self.name.as_str())
    }

    /// The capabilities asked for that `known` does not list.
    pub fn unknown_capabilities(&self, known: &[&str]) -> Vec<&str> {
        self.capabilities
            .iter()
            .map(String::as_str)
            .filter(|one| !known.contains(one))
            .collect()
    }

    fn from_table(table: Table) -> Result<Self, ManifestError> {
        let problems = Problems::default();
        match Self::from_section(&mut Section::top(table, &problems)) {
            Some(manifest) => match problems.into_vec() {
                none if none.is_empty() => Ok(manifest),
                problems => Err(ManifestError::Invalid { problems }),
            },
            None => Err(ManifestError::Invalid {
                problems: problems.into_vec(),
            }),
        }
    }

    /// Reads every section, also after a mistake; `None` where a required key is missing or wrong.
    fn from_section(top: &mut Section<'_>) -> Option<Self> {
        top.has("name", "\"my-module\"");
        top.has("version", "\"0.1.0\"");
        top.has("entry_point", "\"my-module\"");
        let name: Option<ModuleName> = top.parsed("name", "such as \"block-clock\"");
        let version: Option<Version> = top.parsed("version", "three numbers, such as \"0.1.0\"");
        let entry_point: Option<EntryPoint> = top.parsed(
            "entry_point",
            "the program's file name alone; the host looks in the folders",
        );
        let description = top.text("description", 500);
        let author = top.text("author", 200);
        let license = top.text("license", 100);
        let homepage = read_homepage(top);
        let protocol = ProtocolRange::read(top).unwrap_or_default();
        let capabilities = top.text_list("capabilities", 64, capability);
        let dependencies = read_dependencies(top, "dependencies", name.as_ref());
        let optional_dependencies = read_dependencies(top, "optional_dependencies", name.as_ref());
        for both in optional_dependencies
            .keys()
            .filter(|name| dependencies.contains_key(*name))
        {
            let problem = format!("`{both}` is already in [dependencies]");
            top.wrong("optional_dependencies", problem, "keep one of the two");
        }
        let network = Network::read(top);
        let resources = Resources::read(top);
        let sandbox = SandboxWishes::read(top);
        let config = ConfigFile::read(top);
        let data = ModuleData::read(top, version.as_ref());
        let ui = Ui::read(top);
        let reload = Reload::read(top);
        let restart = Restart::read(top);
        let runtime = Runtime::read(top);
        let package = Package::read(top);
        Some(Self {
            name: name?,
            version: version?,
            entry_point: entry_point?,
            description,
            author,
            license,
            homepage,
            protocol,
            capabilities,
            dependencies,
            optional_dependencies,
            network,
            resources,
            sandbox,
            config,
            data,
            ui,
            reload,
            restart,
            runtime,
            package,
        })
    }
}

impl FromStr for Manifest {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Self::from_table(table).map_err(serde::de::Error::custom)
    }
}

/// The homepage becomes a link, so that nothing but the web may be in it.
fn read_homepage(top: &mut Section<'_>) -> Option<String> {
    let address = top.text("homepage", 300)?;
    let web = address.starts_with("https://") || address.starts_with("http://");
    if !web || address.contains(|c: char| c.is_whitespace() || "<>\"'`\\".contains(c)) {
        top.wrong("homepage", "is no web address", "start it with https://");
        return None;
    }
    Some(address)
}

/// Checks the spelling `area` or `area.verb`; whether it exists is asked elsewhere.
fn capability(text: &str) -> Result<String, &'static str> {
    let (area, verb) = text
        .split_once('.')
        .map_or((text, None), |(a, v)| (a, Some(v)));
    let area_ok = !area.is_empty() && area.bytes().all(|b| b.is_ascii_lowercase());
    let verb_ok = verb.is_none_or(|verb| {
        !verb.is_empty() && verb.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    if area_ok && verb_ok && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err("is no capability: `area` or `area.verb` in a-z, such as \"chain.read\"")
    }
}

fn read_dependencies(
    top: &mut Section<'_>,
    key: &str,
    own: Option<&ModuleName>,
) -> BTreeMap<ModuleName, VersionReq> {
    let mut all = BTreeMap::new();
    let Some(mut table) = top.table(key, 64) else {
        return all;
    };
    for name in table.names() {
        let wanted: Option<VersionReq> =
            table.parsed(&name, "a requirement, such as \"^1.2\" or \">=1.0, <2.0\"");
        match ModuleName::new(name.clone()) {
            Err(error) => table.wrong(&name, error.to_string(), "name a module"),
            Ok(module) if Some(&module) == own => {
                table.wrong(&name, "a module cannot depend on itself", "remove the line");
            }
            Ok(module) => all.extend(wanted.map(|wanted| (module, wanted))),
        }
    }
    all
}
