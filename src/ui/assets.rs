//! Style, scripts and icon: in the binary, named by their content, so that a browser may
//! keep them for ever.

use std::sync::LazyLock;

use crate::chain::Hash;

/// A file that pages load.
pub struct Asset {
    name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 5] = [
    Asset {
        name: "style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("assets/style.css"),
    },
    Asset {
        name: "icon.svg",
        content_type: "image/svg+xml",
        content: include_str!("assets/icon.svg"),
    },
    Asset { name: "app.js", content_type: JAVASCRIPT, content: include_str!("assets/app.js") },
    Asset {
        name: "check.js",
        content_type: JAVASCRIPT,
        content: concat!(include_str!("assets/check.js"), include_str!("assets/tamper.js")),
    },
    Asset {
        name: "worker.js",
        content_type: JAVASCRIPT,
        content: concat!(
            include_str!("assets/sha256.js"),
            include_str!("assets/rules.js"),
            include_str!("assets/worker.js")
        ),
    },
];

/// The path of each asset, in their order.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let path = |asset: &Asset| {
        format!("/assets/{}?{}", asset.name, &Hash::of(asset.content).to_string()[..12])
    };
    ASSETS.iter().map(path).collect()
});

/// The path of the asset `name`, which changes with its content.
///
/// # Panics
/// If there is none.
pub fn path(name: &str) -> &'static str {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    &PATHS[place.expect("pages name assets that there are")]
}

/// The asset `name`.
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
