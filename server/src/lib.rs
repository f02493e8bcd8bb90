//! The control plane beside a Bitcoin node.
