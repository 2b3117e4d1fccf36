//! The sample repository of the demonstration.

use crate::exit::Failure;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// What is asked for.
pub(super) const PROMPT: &str = "rename total_cost to order_total";
/// The file whose hunk is rejected.
pub(super) const CHANGELOG: &str = "CHANGELOG.md";

const FILES: &[(&str, &str)] = &[
    (
        CHANGELOG,
        "# Changes\n\n## 1.1\n\n- `total_cost` rounds to whole cents.\n",
    ),
    (
        "README.md",
        "# Corner shop\n\n`total_cost` says what a basket costs.\n",
    ),
    (
        "docs/api.txt",
        "total_cost(items)\r\n    What the customer pays, VAT included.\r\n",
    ),
    (
        "shop/basket.py",
        "\"\"\"What is in a basket, and what it costs.\"\"\"\n\nVAT = 0.19\n\n\n\
         def total_cost(items):\n    net = sum(item.price * item.count for item in items)\n    \
         return round(net * (1 + VAT), 2)\n",
    ),
    (
        "shop/invoice.py",
        "from shop.basket import total_cost\n\n\ndef lines(items):\n    for item in items:\n        \
         yield f\"{item.count} x {item.name}\"\n    yield f\"Total: {total_cost(items)}\"\n",
    ),
    ("shop/__init__.py", ""),
];

pub(super) fn create(root: &Path) -> io::Result<()> {
    for (path, text) in FILES {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Every file of a folder with its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Tree, Failure> {
        let mut tree = Tree(BTreeMap::new());
        tree.read_folder(root, "")
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", root.display())))?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.read_folder(&entry.path(), &format!("{name}/"))?;
            } else {
                self.0.insert(name, fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// Whether every line ends in CRLF.
    pub(super) fn is_crlf(&self, path: &str) -> bool {
        let text = String::from_utf8_lossy(self.get(path).unwrap_or_default());
        !text.is_empty()
            && text
                .split_inclusive('\n')
                .all(|line| line.ends_with("\r\n"))
    }

    /// Path, line number and line wherever the function is spoken of, under either name.
    pub(super) fn mentions(&self) -> Vec<(&str, usize, &str)> {
        let mut found = Vec::new();
        for (path, bytes) in &self.0 {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            for (at, line) in text.lines().enumerate() {
                if line.contains("total_cost") || line.contains("order_total") {
                    found.push((path.as_str(), at + 1, line));
                }
            }
        }
        found
    }
}
