//! The state dictionary that `torch.save` writes: a zip archive in which `data.pkl` names the tensors and
//! `data/<key>` holds the numbers of each.

use super::Sb3Error;
use super::archive::Archive;
use super::pickle::{Id, Node, Pickle};
use std::collections::BTreeMap;

/// An opened state dictionary; numbers are read when asked for.
pub(super) struct StateDict<'a> {
    archive: Archive<'a>,
    /// `archive/`, as a rule.
    folder: String,
    tensors: BTreeMap<String, Place>,
}

/// Where a tensor's numbers lie.
struct Place {
    key: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// A tensor, row by row.
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl<'a> StateDict<'a> {
    /// Reads the names; `name` is the file's, for errors.
    pub(super) fn open(name: &str, bytes: &'a [u8]) -> Result<StateDict<'a>, Sb3Error> {
        let mut archive = Archive::open(name, bytes)?;
        let index = archive.ending("/data.pkl");
        let index = index.ok_or_else(|| Sb3Error::Missing(format!("{name}: data.pkl")))?;
        let folder = index.strip_suffix("data.pkl").unwrap_or_default().to_owned();
        let order = format!("{folder}byteorder");
        // PyTorch before 2.1 wrote no such entry.
        if archive.ending(&order).is_some() && archive.entry(&order)? != b"little" {
            return Err(Sb3Error::refused("its numbers are big-endian"));
        }
        let pickle = Pickle::read(&archive.entry(&index)?)
            .map_err(|source| Sb3Error::Pickle { part: format!("{name}: {index}"), source })?;
        Ok(StateDict { archive, folder, tensors: places(&pickle)? })
    }

    /// Names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// True when there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensor called `name`.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Tensor, Sb3Error> {
        let tensor = |why: &str| Sb3Error::tensor(name, why);
        let place = self.tensors.get(name).ok_or_else(|| tensor("is missing"))?;
        if !place.is_plain() {
            return Err(tensor("does not lie row by row"));
        }
        let bytes = self.archive.entry(&format!("{}data/{}", self.folder, place.key))?;
        let (all, _) = bytes.as_chunks::<4>();
        let len = place.shape.iter().try_fold(1usize, |len, n| len.checked_mul(*n));
        let end = len.and_then(|len| len.checked_add(place.offset));
        let range = end.and_then(|end| all.get(place.offset..end));
        let range = range.ok_or_else(|| tensor("is larger than what is stored for it"))?;
        let values: Vec<f32> = range.iter().map(|b| f32::from_le_bytes(*b)).collect();
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(tensor(&format!("holds {value}"))),
            None => Ok(Tensor { shape: place.shape.clone(), values }),
        }
    }
}

impl Place {
    /// True when neighbours in a row lie side by side, and rows one after the other.
    fn is_plain(&self) -> bool {
        let mut want = Some(1usize);
        self.strides.len() == self.shape.len()
            && self.shape.iter().zip(&self.strides).rev().all(|(n, stride)| {
                let here = want;
                want = want.and_then(|w| w.checked_mul(*n));
                // Where there is one, the step to the next is never made.
                *n == 1 || here == Some(*stride)
            })
    }
}

/// The tensors of a state dictionary and their places.
fn places(pickle: &Pickle) -> Result<BTreeMap<String, Place>, Sb3Error> {
    let items = match pickle.get(pickle.root()) {
        Node::Dict(items) => items,
        Node::Call { class, items, .. }
            if pickle.is_global(*class, "collections", "OrderedDict") =>
        {
            items
        }
        _ => return Err(Sb3Error::refused("its weights are no state dictionary")),
    };
    let mut places = BTreeMap::new();
    for (key, value) in items {
        let name = pickle.text(*key).unwrap_or("(unnamed)");
        let why = "is no tensor of 32-bit floating-point numbers";
        let place = place(pickle, *value).ok_or_else(|| Sb3Error::tensor(name, why))?;
        places.insert(name.to_owned(), place);
    }
    Ok(places)
}

/// `_rebuild_tensor_v2(("storage", FloatStorage, key, device, length), offset, shape, strides, ..)`.
fn place(pickle: &Pickle, id: Id) -> Option<Place> {
    let Node::Call { class, args, .. } = pickle.get(id) else { return None };
    let [storage, offset, shape, strides, ..] = pickle.tuple(*args)? else { return None };
    let Node::Elsewhere(storage) = pickle.get(*storage) else { return None };
    let [_, kind, key, ..] = pickle.tuple(*storage)? else { return None };
    let known = pickle.is_global(*class, "torch._utils", "_rebuild_tensor_v2")
        && pickle.is_global(*kind, "torch", "FloatStorage");
    known.then_some(Place {
        key: pickle.text(*key)?.to_owned(),
        offset: pickle.size(*offset)?,
        shape: pickle.sizes(*shape)?,
        strides: pickle.sizes(*strides)?,
    })
}
