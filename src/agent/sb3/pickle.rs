//! Reads Python's pickles without executing anything.
//!
//! A pickle is a program for a machine with a stack that may call any function of Python. Here it only
//! builds a tree: a class is its name, a call is the name and the arguments. Known are the instructions
//! that `torch.save` writes for a state dictionary (protocol 2) and cloudpickle for a class (protocol 4 and
//! 5); at any other one reading ends. The instructions are those of Python's `pickletools`.
//!
//! **Invariant:** memory and time are linear in the input, and nothing here recurses: nodes lie in one
//! vector and name each other by their place.

use std::collections::HashMap;

/// The place of a node.
pub type Id = usize;

/// One value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string.
    Text(String),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A class or function: the places of its module's name and of its own.
    Global(Id, Id),
    /// A dictionary.
    Dict(Vec<(Id, Id)>),
    /// What calling `class` with the tuple `args` would give, and what is put into it like into a dictionary.
    Call {
        /// A [`Node::Global`], in an honest file.
        class: Id,
        /// A [`Node::Tuple`], likewise.
        args: Id,
        /// Keys and values.
        items: Vec<(Id, Id)>,
    },
    /// Something that lies outside the pickle, under this name.
    Elsewhere(Id),
}

/// A pickle that has been read.
#[derive(Clone, Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

/// Not a pickle of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The input ends within an instruction, or before the last one.
    #[error("the pickle ends too early")]
    Ends,
    /// An instruction that neither weights nor a class need.
    #[error("instruction {code:#04x} at byte {at} of the pickle has no place in a model's weights")]
    Instruction {
        /// The instruction.
        code: u8,
        /// Its place.
        at: usize,
    },
    /// An instruction's operands are missing or of another kind.
    #[error("the pickle's instruction at byte {0} does not find what it works on")]
    Operand(usize),
    /// A string that is not UTF-8.
    #[error("the string at byte {0} of the pickle is not UTF-8")]
    Text(usize),
}

impl Pickle {
    /// Reads a pickle to its end.
    ///
    /// # Errors
    /// [`PickleError`] says at which byte, and why.
    pub fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        let mut machine = Machine { bytes, ..Machine::default() };
        while !machine.step()? {}
        let root = machine.pop()?;
        Ok(Pickle { nodes: machine.nodes, root })
    }

    /// The place of the whole value.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value at a place that this pickle named.
    pub fn get(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The string at `id`.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The size or offset at `id`.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Node::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The members of the tuple at `id`.
    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Node::Tuple(members) => Some(members),
            _ => None,
        }
    }

    /// The sizes in the tuple at `id`.
    pub fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.tuple(id)?.iter().map(|id| self.size(*id)).collect()
    }

    /// Module and name of the class or function at `id`.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.get(id) {
            Node::Global(module, name) => Some((self.text(*module)?, self.text(*name)?)),
            _ => None,
        }
    }

    /// True when `id` is the class or function `module.name`.
    pub fn is_global(&self, id: Id, module: &str, name: &str) -> bool {
        self.global(id) == Some((module, name))
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    /// Does one instruction; true after the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let at = self.at;
        let code = self.take(1)?[0];
        match code {
            b'.' => return Ok(true),
            0x80 => self.skip(1)?, // PROTO
            0x95 => self.skip(8)?, // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' => {
                let bytes = self.take(4)?;
                let n = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                self.push(Node::Int(i64::from(n)));
            }
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'X' => self.string(4)?,
            0x8c => self.string(1)?,
            b')' => self.push(Node::Tuple(Vec::new())),
            b't' => {
                let members = self.above_mark()?;
                self.push(Node::Tuple(members));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84));
                let from = from.ok_or(PickleError::Operand(at))?;
                let members = self.stack.split_off(from);
                self.push(Node::Tuple(members));
            }
            b'}' => self.push(Node::Dict(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![key, value])?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.insert(items)?;
            }
            b'c' => {
                self.line()?;
                self.line()?;
                self.global()?;
            }
            0x93 => self.global()?,
            b'R' => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.push(Node::Call { class, args, items: Vec::new() });
            }
            // BUILD: attributes of a finished object, such as a state dictionary's `_metadata`. Not needed.
            b'b' => _ = self.pop()?,
            b'Q' => {
                let name = self.pop()?;
                self.push(Node::Elsewhere(name));
            }
            b'q' | b'r' => {
                let place = self.little_endian(if code == b'q' { 1 } else { 4 })?;
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            0x94 => {
                let top = self.top()?;
                self.memo.insert(self.memo.len(), top);
            }
            b'h' | b'j' => {
                let place = self.little_endian(if code == b'h' { 1 } else { 4 })?;
                let id = *self.memo.get(&place).ok_or(PickleError::Operand(at))?;
                self.stack.push(id);
            }
            _ => return Err(PickleError::Instruction { code, at }),
        }
        Ok(false)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(PickleError::Ends)?;
        self.at += len;
        Ok(taken)
    }

    fn skip(&mut self, len: usize) -> Result<(), PickleError> {
        self.take(len).map(|_| ())
    }

    /// An unsigned number of `len` bytes, at most 4.
    fn little_endian(&mut self, len: usize) -> Result<usize, PickleError> {
        Ok(self.take(len)?.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    }

    fn number(&mut self, len: usize) -> Result<(), PickleError> {
        let n = self.little_endian(len)?;
        self.push(Node::Int(n as i64));
        Ok(())
    }

    fn string(&mut self, len: usize) -> Result<(), PickleError> {
        let len = self.little_endian(len)?;
        self.text(len)
    }

    /// A string up to the end of its line.
    fn line(&mut self) -> Result<(), PickleError> {
        let end = memchr::memchr(b'\n', &self.bytes[self.at..]).ok_or(PickleError::Ends)?;
        self.text(end)?;
        self.skip(1)
    }

    fn text(&mut self, len: usize) -> Result<(), PickleError> {
        let (at, bytes) = (self.at, self.take(len)?);
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| PickleError::Text(at))?;
        self.push(Node::Text(text));
        Ok(())
    }

    /// Makes a class of the two strings on top.
    fn global(&mut self) -> Result<(), PickleError> {
        let (name, module) = (self.pop()?, self.pop()?);
        self.push(Node::Global(module, name));
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.stack.pop().ok_or(PickleError::Operand(self.at))
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack.last().copied().ok_or(PickleError::Operand(self.at))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(self.stack.split_off(height)),
            _ => Err(PickleError::Operand(self.at)),
        }
    }

    /// Puts keys and values, one after the other, into the dictionary on top.
    fn insert(&mut self, keys_and_values: Vec<Id>) -> Result<(), PickleError> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dict(items) | Node::Call { items, .. }
                if keys_and_values.len().is_multiple_of(2) =>
            {
                items.extend(keys_and_values.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err(PickleError::Operand(self.at)),
        }
    }
}

#[cfg(test)]
mod tests;
