//! The files of `src` import each other without a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use super::root;

/// A path of the crate, as the names after `crate`. The crate itself is empty.
type Names = Vec<String>;

/// One `use` of one item.
#[derive(Debug, PartialEq)]
struct Import {
    /// With its first name resolved: from the crate's root.
    path: Names,
    /// The name that the item has here.
    name: String,
    is_public: bool,
}

/// The files of `src` and their imports, by their modules.
#[derive(Default)]
struct Sources {
    files: BTreeMap<Names, PathBuf>,
    imports: BTreeMap<Names, Vec<Import>>,
}

impl Sources {
    fn read() -> Self {
        let mut sources = Self::default();
        sources.read_module(Vec::new(), root().join("src/lib.rs"));
        sources
    }

    fn read_module(&mut self, module: Names, path: PathBuf) {
        let text = without_tests(&fs::read_to_string(&path).expect("a file of src"));
        let folder = match path.file_name() {
            Some(name) if name == "lib.rs" => path.with_file_name(""),
            _ => path.with_extension(""),
        };
        let (mut elsewhere, mut children) = (None, Vec::new());
        for line in text.lines().filter(|line| !line.starts_with(' ')) {
            if let Some(attribute) = line.strip_prefix("#[path = \"") {
                elsewhere = Some(path.with_file_name(attribute.trim_end_matches("\"]")));
            } else if let Some(child) = declared(line) {
                children.push(child);
                let names = join(&module, &[child.to_owned()]);
                let file = folder.join(format!("{child}.rs"));
                self.read_module(names, elsewhere.take().unwrap_or(file));
            }
        }
        let imports = uses(&text)
            .into_iter()
            .filter_map(|(is_public, path, name)| {
                let path = absolute(&module, &children, &path)?;
                Some(Import {
                    path,
                    name,
                    is_public,
                })
            });
        // A module may have one of several files, as the features choose.
        self.imports
            .entry(module.clone())
            .or_default()
            .extend(imports);
        self.files.entry(module).or_insert(path);
    }

    /// The module whose file has the item at this path, through all re-exports.
    fn home(&self, path: &[String]) -> Names {
        self.home_within(path, 16)
    }

    fn home_within(&self, path: &[String], depth: usize) -> Names {
        let mut module = Names::new();
        for (position, name) in path.iter().enumerate() {
            let child = join(&module, std::slice::from_ref(name));
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            let mut imports = self.imports.get(&module).into_iter().flatten();
            let alias = imports.find(|import| import.name == *name);
            return match alias {
                Some(alias) if depth > 0 => {
                    let path = join(&alias.path, &path[position + 1..]);
                    self.home_within(&path, depth - 1)
                }
                _ => module,
            };
        }
        module
    }

    /// Which module imports from which, and one name that it imports. A re-export of a part of the module is not an
    /// import of it.
    fn edges(&self) -> BTreeMap<Names, BTreeMap<Names, String>> {
        let mut edges: BTreeMap<Names, BTreeMap<Names, String>> = BTreeMap::new();
        for (module, imports) in &self.imports {
            let edges = edges.entry(module.clone()).or_default();
            for import in imports {
                let home = self.home(&import.path);
                let is_own_part = import.is_public && home.starts_with(module);
                if home != *module && !is_own_part {
                    edges.entry(home).or_insert_with(|| import.name.clone());
                }
            }
        }
        edges
    }

    fn file(&self, module: &Names) -> String {
        let path = self.files[module].strip_prefix(root());
        path.expect("a file of src").display().to_string()
    }
}

fn join(path: &[String], more: &[String]) -> Names {
    [path, more].concat()
}

/// The module that this line declares in a file of its own.
fn declared(line: &str) -> Option<&str> {
    let (visibility, name) = line.strip_suffix(';')?.split_once("mod ")?;
    let is_declaration = visibility.is_empty() || visibility.starts_with("pub");
    is_declaration.then_some(name)
}

/// The text without comments and without items that exist in tests only. It relies on the form that rustfmt gives.
fn without_tests(text: &str) -> String {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut lines = text.lines().filter(is_code);
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" && line.trim() != "#[cfg(fuzzing)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let ends = ["}", "};", "},"].map(|end| format!("{indent}{end}"));
        // The item ends with its first line, or with the brace that closes it.
        let first = lines.by_ref().find(|line| !line.trim().starts_with("#["));
        if first.is_some_and(|line| line.ends_with(['{', '('])) {
            lines
                .by_ref()
                .find(|line| ends.iter().any(|end| end == line));
        }
    }
    kept
}

/// Each `use` as whether it is public, its path, and the name that it brings.
fn uses(text: &str) -> Vec<(bool, Names, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("use ") {
        let whole = before.rsplit('\n').next().unwrap_or_default();
        let line = whole.trim();
        rest = after;
        if !line.is_empty() && !line.starts_with("pub") {
            continue;
        }
        let (tree, after) = after.split_once(';').expect("an end");
        rest = after;
        let mut paths = Vec::new();
        // An indented one is in a module within the file, so its parent is the file itself.
        let tree = match tree.strip_prefix("super::") {
            Some(rest) if whole.starts_with(' ') => format!("self::{rest}"),
            _ => tree.to_owned(),
        };
        expand(&[], &tree, &mut paths);
        let is_public = line.starts_with("pub");
        found.extend(
            paths
                .into_iter()
                .map(|(path, name)| (is_public, path, name)),
        );
    }
    found
}

/// Takes a tree of a `use` apart.
fn expand(prefix: &[String], tree: &str, paths: &mut Vec<(Names, String)>) {
    let tree = tree.trim();
    if let Some((path, group)) = tree.split_once('{') {
        let names = path.trim_end_matches("::").split("::").map(str::to_owned);
        let names: Names = names.filter(|name| !name.is_empty()).collect();
        let prefix = join(prefix, &names);
        let group = group.strip_suffix('}').expect("a closed group");
        for part in split_at_top(group) {
            expand(&prefix, part, paths);
        }
    } else if !tree.is_empty() {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let names: Names = path.split("::").map(str::to_owned).collect();
        let mut names = join(prefix, &names);
        if names.len() > 1
            && names
                .last()
                .is_some_and(|last| last == "self" || last == "*")
        {
            names.pop();
        }
        let last = names.last().cloned().unwrap_or_default();
        let name = if alias.is_empty() {
            last
        } else {
            alias.to_owned()
        };
        paths.push((names, name));
    }
}

/// Splits at the commas that are not within a group.
fn split_at_top(group: &str) -> Vec<&str> {
    let mut depth = 0;
    group
        .split(|character| {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            character == ',' && depth == 0
        })
        .collect()
}

/// The path from the root of the crate, in a module with these children; `None` for another crate.
fn absolute(module: &[String], children: &[&str], path: &[String]) -> Option<Names> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some(join(module, rest)),
        "super" => {
            let (_, parent) = module.split_last()?;
            let mut parent = parent.to_vec();
            let supers = rest.iter().take_while(|name| *name == "super").count();
            parent.truncate(parent.len().checked_sub(supers)?);
            Some(join(&parent, &rest[supers..]))
        }
        first if children.contains(&first) => Some(join(module, path)),
        _ => None,
    }
}

/// The circles among these edges: one for each edge that closes one.
fn circles(edges: &BTreeMap<Names, BTreeMap<Names, String>>) -> Vec<Vec<Names>> {
    fn walk(
        edges: &BTreeMap<Names, BTreeMap<Names, String>>,
        way: &mut Vec<Names>,
        done: &mut BTreeSet<Names>,
        found: &mut Vec<Vec<Names>>,
    ) {
        let module = way.last().expect("a module").clone();
        for next in edges.get(&module).into_iter().flat_map(BTreeMap::keys) {
            if let Some(start) = way.iter().position(|on_way| on_way == next) {
                found.push(way[start..].to_vec());
            } else if !done.contains(next) {
                way.push(next.clone());
                walk(edges, way, done, found);
                way.pop();
            }
        }
        done.insert(module);
    }
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for module in edges.keys() {
        if !done.contains(module) {
            walk(edges, &mut vec![module.clone()], &mut done, &mut found);
        }
    }
    found
}

#[test]
fn the_imports_of_the_files_have_no_circle() {
    let sources = Sources::read();
    let edges = sources.edges();
    assert!(sources.files.len() > 80, "{}", sources.files.len());
    assert!(edges.values().map(BTreeMap::len).sum::<usize>() > 150);
    let in_words = |circle: &Vec<Names>| {
        let next = circle.iter().skip(1).chain(circle.first());
        let steps = circle.iter().zip(next).map(|(from, to)| {
            let (file, name) = (sources.file(from), &edges[from][to]);
            format!("{file} imports {name} from {}", sources.file(to))
        });
        steps.collect::<Vec<_>>().join(", and ")
    };
    let circles = circles(&edges);
    let words: Vec<_> = circles.iter().map(in_words).collect();
    assert!(words.is_empty(), "circles:\n{}", words.join("\n"));
}

#[test]
fn a_circle_of_imports_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let edge = |from, to| (module(from), [(module(to), "It".to_owned())].into());
    let line = [edge("a", "b"), edge("b", "c")].into();
    assert_eq!(circles(&line), Vec::<Vec<Names>>::new());
    let circle = [edge("a", "b"), edge("b", "c"), edge("c", "b")].into();
    assert_eq!(circles(&circle), [[module("b"), module("c")]]);
}

#[test]
fn nested_imports_are_taken_apart() {
    let text = "pub(crate) use super::{\n    a::{self, B as C},\n    d,\n};\n#[cfg(test)]\nmod tests {\n    use super::x;\n}\n";
    let found: Vec<_> = uses(&without_tests(text))
        .into_iter()
        .map(|(is_public, path, name)| (is_public, path.join("::"), name))
        .collect();
    let expected = [("super::a", "a"), ("super::a::B", "C"), ("super::d", "d")];
    let expected = expected.map(|(path, name)| (true, path.to_owned(), name.to_owned()));
    assert_eq!(found, expected);
}
