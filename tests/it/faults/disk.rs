//! A disk of which every access is told to a test first, below the real redb and the real log.

use kalshiflow::store::Disk;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use std::fmt::{self, Debug};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// What redb asks of a file.
pub enum Access<'a> {
    /// The file was opened by this name.
    Open(&'a Path),
    /// Its length.
    Len,
    /// Some bytes of it.
    Read,
    /// Bytes to be written from this place on.
    Write(u64, &'a [u8]),
    /// A new length.
    SetLen(u64),
    /// Everything so far on disk.
    Sync,
}

/// Decides what happens to an access.
pub trait Weather: Send + Sync + 'static {
    /// Called before the access to the file with this inode; an error is what redb gets instead.
    fn on(&self, inode: u64, access: Access<'_>) -> io::Result<()>;
}

/// The disk under this weather.
pub struct Under<W>(pub Arc<W>);

impl<W: Weather> Disk for Under<W> {
    fn database(
        &self,
        builder: &Builder,
        path: &Path,
        file: File,
    ) -> Result<Database, DatabaseError> {
        let inode = file.metadata()?.ino();
        self.0.on(inode, Access::Open(path))?;
        let file = FileBackend::new(file)?;
        builder.create_with_backend(Backend { inode, file, weather: Arc::clone(&self.0) })
    }
}

struct Backend<W> {
    inode: u64,
    file: FileBackend,
    weather: Arc<W>,
}

impl<W> Debug for Backend<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.inode)
    }
}

impl<W: Weather> Backend<W> {
    fn on(&self, access: Access<'_>) -> io::Result<()> {
        self.weather.on(self.inode, access)
    }
}

impl<W: Weather> StorageBackend for Backend<W> {
    fn len(&self) -> io::Result<u64> {
        self.on(Access::Len)?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.on(Access::Read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.on(Access::SetLen(len))?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        // The file lives in memory or is thrown away: only the test has to know that it was asked.
        self.on(Access::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.on(Access::Write(offset, data))?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
