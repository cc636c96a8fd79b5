//! The modules a guest must load, with what they depend on, in load order.
//!
//! Reads the module files themselves, so that it works on an unpacked kernel package that no `depmod` has seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ImageError, read};

/// A module, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name, with underscores.
    pub(super) name: String,
    /// The ELF object.
    pub(super) object: Vec<u8>,
}

/// `needed` and all they depend on, dependencies first, without what is built into the kernel.
pub(super) fn closure(tree: &Path, needed: &[&str]) -> Result<Vec<Module>, ImageError> {
    let builtin = String::from_utf8_lossy(&read(&tree.join("modules.builtin"))?).into_owned();
    let mut search = Search {
        tree,
        builtin: builtin
            .lines()
            .filter_map(|line| name_of(Path::new(line)))
            .collect(),
        files: BTreeMap::new(),
        visited: Vec::new(),
        found: Vec::new(),
    };
    for name in needed {
        search.visit(name)?;
    }
    Ok(search.found)
}

struct Search<'a> {
    tree: &'a Path,
    builtin: Vec<String>,
    /// Filled when the first module is needed: a kernel with everything built in needs no walk.
    files: BTreeMap<String, PathBuf>,
    visited: Vec<String>,
    found: Vec<Module>,
}

impl Search<'_> {
    fn visit(&mut self, name: &str) -> Result<(), ImageError> {
        if self
            .builtin
            .iter()
            .chain(&self.visited)
            .any(|known| known == name)
        {
            return Ok(());
        }
        self.visited.push(name.to_owned());
        if self.files.is_empty() {
            self.files = module_files(&self.tree.join("kernel"))?;
        }
        let path = self.files.get(name).cloned();
        let path = path.ok_or_else(|| ImageError::NoModule {
            name: name.to_owned(),
            tree: self.tree.to_owned(),
        })?;
        let object = decompressed(&path)?;
        for dependency in dependencies(&object) {
            self.visit(&dependency)?;
        }
        self.found.push(Module {
            name: name.to_owned(),
            object,
        });
        Ok(())
    }
}

/// All modules below a directory by their names.
fn module_files(directory: &Path) -> Result<BTreeMap<String, PathBuf>, ImageError> {
    let failed = |source| ImageError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            files.append(&mut module_files(&entry.path())?);
        } else if let Some(name) = name_of(&entry.path()) {
            files.insert(name, entry.path());
        }
    }
    Ok(files)
}

/// `virtio-pci.ko.xz` is `virtio_pci`; what is no module has no name.
fn name_of(path: &Path) -> Option<String> {
    let (stem, compression) = path.file_name()?.to_str()?.split_once(".ko")?;
    matches!(compression, "" | ".xz" | ".zst" | ".gz").then(|| stem.replace('-', "_"))
}

/// A module's `depends=` string, found by its text: ELF sections would say no more.
fn dependencies(object: &[u8]) -> Vec<String> {
    let strings = object.split(|byte| *byte == 0);
    let list = strings
        .filter_map(|string| string.strip_prefix(b"depends="))
        .next_back()
        .unwrap_or_default();
    let names = list
        .split(|byte| *byte == b',')
        .filter(|name| !name.is_empty());
    names
        .map(|name| String::from_utf8_lossy(name).replace('-', "_"))
        .collect()
}

fn decompressed(path: &Path) -> Result<Vec<u8>, ImageError> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return read(path),
    };
    let failed = |reason: String| ImageError::Decompress {
        path: path.to_owned(),
        program,
        reason,
    };
    let output = Command::new(program)
        .args(["-d", "-c", "-q", "--"])
        .arg(path)
        .output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(builtin: &str, modules: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("kernel/drivers/virtio")).unwrap();
        fs::write(tree.path().join("modules.builtin"), builtin).unwrap();
        for (file, depends) in modules {
            let object = format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0");
            fs::write(tree.path().join("kernel/drivers/virtio").join(file), object).unwrap();
        }
        tree
    }

    fn names(tree: &tempfile::TempDir) -> Vec<String> {
        closure(tree.path(), &["virtio_pci", "virtio_console"])
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect()
    }

    // Debian 12's layout: dependencies first, each once, names with hyphens.
    #[test]
    fn dependencies_come_first_and_once() {
        let tree = tree(
            "kernel/drivers/char/other.ko\n",
            &[
                ("virtio_pci.ko", "virtio-pci-modern-dev,virtio_ring,virtio"),
                ("virtio_pci_modern_dev.ko", ""),
                ("virtio_console.ko", "virtio_ring,virtio"),
                ("virtio-ring.ko", "virtio"),
                ("virtio.ko", ""),
            ],
        );
        assert_eq!(
            names(&tree),
            [
                "virtio_pci_modern_dev",
                "virtio",
                "virtio_ring",
                "virtio_pci",
                "virtio_console"
            ]
        );
    }

    #[test]
    fn what_is_built_in_is_left_out() {
        let builtin = tree(
            "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\n",
            &[],
        );
        assert!(names(&builtin).is_empty());
        let half = tree(
            "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/virtio/virtio.ko\n",
            &[("virtio_console.ko", "virtio")],
        );
        assert_eq!(names(&half), ["virtio_console"]);
    }

    #[test]
    fn a_missing_module_is_an_error() {
        let error = closure(tree("", &[]).path(), &["virtio_pci"]).unwrap_err();
        assert!(
            error.to_string().contains("module virtio_pci is not in"),
            "{error}"
        );
    }

    // The xz of setup.sh's packages.
    #[test]
    fn compressed_modules_are_decompressed() {
        let tree = tree("kernel/virtio_pci.ko\n", &[("virtio_console.ko", "")]);
        let path = tree.path().join("kernel/drivers/virtio/virtio_console.ko");
        let plain = fs::read(&path).unwrap();
        assert!(Command::new("xz").arg(&path).status().unwrap().success());
        assert_eq!(
            closure(tree.path(), &["virtio_console"]).unwrap()[0].object,
            plain
        );
    }
}
