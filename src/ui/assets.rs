//! Style, scripts and icon: in the binary, named by their content, so that a browser may
//! keep them for ever.

use std::sync::LazyLock;

use crate::chain::Hash;

pub struct Asset {
    name: &'static str,
    /// Path that changes with the content.
    path: String,
    pub content_type: &'static str,
    pub content: String,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, media type and content as written. A module comes after those that it names.
const FILES: [(&str, &str, &str); 22] = [
    ("style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("chance.js", JAVASCRIPT, include_str!("assets/chance.js")),
    ("live.js", JAVASCRIPT, include_str!("assets/live.js")),
    ("page.js", JAVASCRIPT, include_str!("assets/page.js")),
    ("app.js", JAVASCRIPT, include_str!("assets/app.js")),
    ("sha256.js", JAVASCRIPT, include_str!("assets/sha256.js")),
    ("rules.js", JAVASCRIPT, include_str!("assets/rules.js")),
    ("sha256_four.js", JAVASCRIPT, include_str!("assets/sha256_four.js")),
    ("search.js", JAVASCRIPT, include_str!("assets/search.js")),
    ("worker.js", JAVASCRIPT, include_str!("assets/worker.js")),
    ("tools.js", JAVASCRIPT, include_str!("assets/tools.js")),
    ("check.js", JAVASCRIPT, include_str!("assets/check.js")),
    ("cheat.js", JAVASCRIPT, include_str!("assets/cheat.js")),
    ("workbench.js", JAVASCRIPT, include_str!("assets/workbench.js")),
    ("class.css", "text/css; charset=utf-8", include_str!("assets/class.css")),
    ("class.js", JAVASCRIPT, include_str!("assets/class.js")),
    ("lanes.js", JAVASCRIPT, include_str!("assets/lanes.js")),
    ("links.js", JAVASCRIPT, include_str!("assets/links.js")),
    ("wall.js", JAVASCRIPT, include_str!("assets/wall.js")),
    ("sign.js", JAVASCRIPT, include_str!("assets/sign.js")),
    ("learn.js", JAVASCRIPT, include_str!("assets/learn.js")),
];

/// The files, in which each name of another in quotes, `"./name"`, is that one's path: a
/// browser that keeps a module for ever then keeps the right ones with it.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let mut assets: Vec<Asset> = Vec::new();
    for (name, content_type, text) in FILES {
        let mut content = text.to_owned();
        for other in &assets {
            content =
                content.replace(&format!("\"./{}\"", other.name), &format!("\"{}\"", other.path));
        }
        let path = format!("/assets/{name}?{}", &Hash::of(&content).to_string()[..12]);
        assets.push(Asset { name, path, content_type, content });
    }
    assets
});

/// The path of the asset `name`, which changes with its content.
pub fn path(name: &str) -> &'static str {
    &find(name).expect("pages name assets that there are").path
}

pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_name_each_other_by_their_content() {
        for asset in ASSETS.iter() {
            assert!(!asset.content.contains("\"./"), "{} names one that comes later", asset.name);
        }
        assert!(find("rules.js").unwrap().content.contains(path("sha256.js")));
    }
}
