//! The layers: which crates a crate may need, and that no crate's modules need each other in a
//! circle.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// Parts of the names of crates that the token crate must not need: a service that only verifies
/// tokens would have to build them.
const FORBIDDEN: [&str; 6] = ["aws-config", "aws-sdk", "aws-smithy", "lambda", "tokio", "hyper"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of all crates that a package needs to be built into a program.
fn dependencies(manifest: &str, package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--manifest-path", manifest, "--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_light(names: &BTreeSet<String>) {
    let heavy: Vec<_> = names.iter().filter(|name| FORBIDDEN.iter().any(|part| name.contains(part))).collect();
    assert!(heavy.is_empty(), "{heavy:?}");
}

#[test]
fn the_token_crate_needs_no_sdk_and_no_runtime() {
    let names = dependencies("Cargo.toml", "relatch");
    assert!(names.contains("jsonwebtoken"), "{names:?}");
    assert_light(&names);
}

#[test]
fn a_service_that_verifies_tokens_needs_only_the_token_crate() {
    let names = dependencies("examples/verify-access-token/Cargo.toml", "verify-access-token");
    let ours: Vec<_> = names.iter().filter(|name| name.starts_with("relatch")).collect();
    assert_eq!(ours, ["relatch"]);
    assert_light(&names);
}

#[test]
fn the_layers_point_one_way() {
    let needs = |package: &str| {
        let names = dependencies("Cargo.toml", package);
        ["relatch", "relatch-store", "relatch-lambda", "relatch-cli"].map(|name| names.contains(name))
    };
    assert_eq!(needs("relatch"), [true, false, false, false]);
    assert_eq!(needs("relatch-store"), [true, true, false, false]);
    assert_eq!(needs("relatch-lambda"), [true, true, true, false]);
    for function in ["signin", "refresh", "signout", "sessions", "userinfo", "jwks", "authorizer", "rotate-keys"] {
        assert_eq!(needs(function), [true, true, true, false], "{function}");
    }
}

#[test]
fn no_modules_need_each_other_in_a_circle() {
    let mut crates = vec![root().join("cli")];
    for folder in ["shared", "functions"] {
        crates.extend(fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for folder in crates {
        let modules = read_modules(&folder.join("src/lib.rs"));
        assert_eq!(find_circle(&modules), None, "{}", folder.display());
    }
}

#[test]
fn a_circle_is_found() {
    let parse = |files: &[(&str, &str)]| {
        let names: BTreeSet<ModulePath> = files.iter().map(|(name, _)| module_path(name)).collect();
        let edges = |(name, text): &(&str, &str)| {
            (module_path(name), needed_modules(&module_path(name), &syn::parse_file(text).unwrap(), &names))
        };
        find_circle(&files.iter().map(edges).collect())
    };
    let facade = ("", "mod a; mod b; pub use a::A;");
    assert_eq!(parse(&[facade, ("a", "pub struct A;"), ("b", "use super::a::A;")]), None);
    let through_the_root = parse(&[facade, ("a", "use crate::b::B;"), ("b", "use crate::A;")]);
    assert_eq!(through_the_root.map(|circle| circle.len()), Some(3));
    for needs_b in ["use crate::b::{C, D};", "use super::b;", "fn f() { crate::b::f(); }"] {
        let circle = parse(&[("", "mod a; mod b;"), ("a", needs_b), ("b", "use super::a::{self, A};")]);
        assert_eq!(circle.map(|circle| circle.len()), Some(2), "{needs_b}");
    }
    let in_a_test = "#[cfg(test)] mod tests { use crate::b::B; }";
    assert_eq!(parse(&[("", "mod a; mod b;"), ("a", in_a_test), ("b", "use crate::a::A;")]), None);
}

/// The path of a module below its crate; the root's is empty.
type ModulePath = Vec<String>;

/// The modules that each module needs.
type Modules = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

fn module_path(text: &str) -> ModulePath {
    text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// All modules of a crate that are in files of their own, without those for tests.
fn read_modules(root: &Path) -> Modules {
    let mut files = BTreeMap::new();
    read_files(root, root.parent().unwrap(), &Vec::new(), &mut files);
    let names = files.keys().cloned().collect();
    files.iter().map(|(path, file)| (path.clone(), needed_modules(path, file, &names))).collect()
}

fn read_files(file: &Path, folder: &Path, path: &ModulePath, files: &mut BTreeMap<ModulePath, syn::File>) {
    let syntax = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    for item in &syntax.items {
        if let Item::Mod(module) = item
            && module.content.is_none()
            && !is_for_tests(&module.attrs)
        {
            let name = module.ident.to_string();
            let child_folder = folder.join(&name);
            let flat = folder.join(format!("{name}.rs"));
            let child = if flat.exists() { flat } else { child_folder.join("mod.rs") };
            read_files(&child, &child_folder, &[path.as_slice(), &[name]].concat(), files);
        }
    }
    files.insert(path.clone(), syntax);
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

fn needed_modules(path: &ModulePath, file: &syn::File, names: &BTreeSet<ModulePath>) -> BTreeSet<ModulePath> {
    let mut references = References { path, names, found: BTreeSet::new() };
    references.visit_file(file);
    references.found.remove(path);
    references.found
}

/// Collects the modules that a file refers to, by `use` or by a path.
struct References<'a> {
    path: &'a ModulePath,
    names: &'a BTreeSet<ModulePath>,
    found: BTreeSet<ModulePath>,
}

impl References<'_> {
    /// Adds the module that a path leads into, if it is one of this crate's.
    fn add(&mut self, segments: &[String]) {
        let mut resolved = self.path.clone();
        let rest = match segments.first().map(String::as_str) {
            Some("crate") => {
                resolved.clear();
                &segments[1..]
            }
            Some("self") => &segments[1..],
            Some("super") => {
                let levels = segments.iter().take_while(|segment| *segment == "super").count();
                resolved.truncate(resolved.len().saturating_sub(levels));
                &segments[levels..]
            }
            // A module below this one, or another crate.
            Some(first) if self.names.contains(&[self.path.as_slice(), &[first.to_owned()]].concat()) => segments,
            Some(_) | None => return,
        };
        for segment in rest {
            let deeper = [resolved.as_slice(), std::slice::from_ref(segment)].concat();
            if !self.names.contains(&deeper) {
                break;
            }
            resolved = deeper;
        }
        self.found.insert(resolved);
    }

    fn add_tree(&mut self, prefix: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add_tree(prefix, &path.tree);
                prefix.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(prefix, tree)),
            UseTree::Name(name) if name.ident == "self" => self.add(prefix),
            UseTree::Name(name) => self.add(&[prefix.as_slice(), &[name.ident.to_string()]].concat()),
            UseTree::Rename(rename) => self.add(&[prefix.as_slice(), &[rename.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.add(prefix),
        }
    }
}

impl<'ast> Visit<'ast> for References<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(module) => &module.attrs,
            Item::Fn(function) => &function.attrs,
            Item::Impl(block) => &block.attrs,
            Item::Use(import) => &import.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.add_tree(&mut Vec::new(), &import.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::x)` is no need.
    }
}

/// Some modules of which each needs the next one, and the last one the first.
fn find_circle(modules: &Modules) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    modules.keys().find_map(|start| visit(start, modules, &mut Vec::new(), &mut done))
}

fn visit(
    module: &ModulePath,
    modules: &Modules,
    open: &mut Vec<ModulePath>,
    done: &mut BTreeSet<ModulePath>,
) -> Option<Vec<String>> {
    if let Some(start) = open.iter().position(|other| other == module) {
        let name = |path: &ModulePath| {
            ["crate"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("::")
        };
        return Some(open[start..].iter().map(name).collect());
    }
    if done.contains(module) {
        return None;
    }
    open.push(module.clone());
    let circle = modules.get(module).into_iter().flatten().find_map(|needed| visit(needed, modules, open, done));
    open.pop();
    done.insert(module.clone());
    circle
}
