//! The properties of a schema as a tree of bounded size, from which the form and
//! the first configuration are made.

use serde_json::Value;

use super::key::KeyPath;
use super::place::Place;

/// A form of more fields helps nobody; a hostile schema would have millions.
const MAX_NODES: usize = 1024;
const MAX_DEPTH: usize = 8;

/// One property, and what lies below it where it is a section of its own.
#[derive(Debug)]
pub(super) struct Node<'s> {
    pub(super) name: &'s str,
    pub(super) path: KeyPath,
    pub(super) place: Place<'s>,
    pub(super) required: bool,
    /// The value a new configuration starts with.
    pub(super) default: Option<Value>,
    /// Filled where the property is an object with known keys.
    pub(super) children: Vec<Node<'s>>,
}

impl Node<'_> {
    pub(super) fn is_section(&self) -> bool {
        !self.children.is_empty()
    }
}

/// The properties of a schema, in the order it lists them.
pub(super) fn nodes(root: &Value) -> Vec<Node<'_>> {
    let place = Place::root(root);
    let given = place.keyword("default").cloned();
    let mut left = MAX_NODES;
    children(
        &place,
        &KeyPath::default(),
        given.as_ref(),
        MAX_DEPTH,
        &mut left,
    )
}

fn children<'s>(
    parent: &Place<'s>,
    path: &KeyPath,
    given: Option<&Value>,
    depth: usize,
    left: &mut usize,
) -> Vec<Node<'s>> {
    let mut nodes = Vec::new();
    for name in parent.property_names() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let super::place::Lookup::Known(place) = parent.lookup(name) else {
            continue;
        };
        let path = path.child(name);
        // What the section as a whole starts with goes before what its keys say alone.
        let default = given
            .and_then(|given| given.get(name))
            .or_else(|| place.keyword("default"));
        let default = default.filter(|value| !value.is_null()).cloned();
        let section = depth > 0 && !place.is_secret() && !place.types().contains(&"array");
        let children = if section {
            children(&place, &path, default.as_ref(), depth - 1, left)
        } else {
            Vec::new()
        };
        let required = parent.requires(name);
        nodes.push(Node {
            name,
            path,
            place,
            required,
            default,
            children,
        });
    }
    nodes
}
