//! A SQLite VFS that passes everything to the system's and, for files in a directory that is watched, records each
//! write, sync, truncation and deletion, counts them, holds syncs back, or makes one of them fail.
//!
//! The only unsafe code of this crate: SQLite's VFS interface is C.

#![allow(unsafe_code)]

use rusqlite::ffi;
use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int, c_void},
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// Name to open files with.
pub const NAME: &str = "cem-tap";

/// Something that happened to a file, named by its ending: "" is the database, "-wal" its WAL.
#[derive(Clone, Debug)]
pub enum Op {
    Write {
        file: String,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: u64,
    },
    Sync {
        file: String,
    },
    Delete {
        file: String,
    },
    /// Put there by the test: up to here, this many were acknowledged to the caller.
    Acknowledged(u64),
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// No room: a write fails.
    NoSpace,
    /// A write, truncation or sync fails.
    Io,
    /// As `Io`, and half of the write is done.
    TornIo,
}

/// What a sync waits for.
type Gate = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    ops: Vec<Op>,
    keep: bool,
    syncs: u64,
    calls: u64,
    fail_at: Option<(u64, Fault)>,
    failed: bool,
    gate: Option<Gate>,
}

/// What happens in one directory.
#[derive(Default)]
pub struct Tap(Mutex<State>);

impl Tap {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a directory; registers the VFS when needed.
    pub fn watch(dir: &Path) -> Arc<Self> {
        register();
        let tap = Arc::new(Self::default());
        taps().lock().unwrap().insert(dir.to_owned(), tap.clone());
        tap
    }

    /// Keeps what is done from now on.
    pub fn record(&self) {
        self.state().keep = true;
    }

    pub fn take(&self) -> Vec<Op> {
        std::mem::take(&mut self.state().ops)
    }

    pub fn mark(&self, acknowledged: u64) {
        self.state().ops.push(Op::Acknowledged(acknowledged));
    }

    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Each sync takes as long as this does not return.
    pub fn hold_syncs(&self, gate: impl Fn() + Send + Sync + 'static) {
        self.state().gate = Some(Arc::new(gate));
    }

    /// The `n`th write, truncation or sync from now on fails, counted from 0.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        let mut state = self.state();
        state.fail_at = Some((state.calls + n, fault));
    }

    pub fn failed(&self) -> bool {
        self.state().failed
    }

    /// Counts a call; the fault that it meets.
    fn call(&self, needs_no_room: bool) -> Option<Fault> {
        let mut state = self.state();
        let now = state.calls;
        // A full disk hurts neither a sync nor a truncation: the fault waits for the next write.
        if let Some((at, fault)) = state.fail_at
            && now >= at
            && !(needs_no_room && matches!(fault, Fault::NoSpace))
        {
            state.fail_at = None;
            state.failed = true;
            return Some(fault);
        }
        state.calls += 1;
        None
    }

    fn push(&self, op: impl FnOnce() -> Op) {
        let mut state = self.state();
        if state.keep {
            let op = op();
            state.ops.push(op);
        }
    }
}

fn taps() -> &'static Mutex<HashMap<PathBuf, Arc<Tap>>> {
    static TAPS: OnceLock<Mutex<HashMap<PathBuf, Arc<Tap>>>> = OnceLock::new();
    TAPS.get_or_init(Default::default)
}

/// The tap of a file's directory and the file's ending.
fn tap_of(path: &str) -> Option<(Arc<Tap>, String)> {
    let path = Path::new(path);
    let tap = taps().lock().unwrap().get(path.parent()?)?.clone();
    let name = path.file_name()?.to_str()?;
    Some((tap, name.split_once(".db").map_or(name, |(_, ending)| ending).to_owned()))
}

struct Tapped {
    tap: Arc<Tap>,
    file: String,
}

/// What SQLite allocates for each file: this, and behind it the system VFS's own file.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    real: *mut ffi::sqlite3_file,
    tapped: *mut Tapped,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn register() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // SAFETY: the default VFS lives as long as the process, the copy is leaked so that it does too, and the fields
        // that are changed are those that the interface says a shim changes.
        unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!real.is_null());
            let mut shim = *real;
            shim.szOsFile += c_int::try_from(size_of::<Shim>()).unwrap();
            shim.pNext = ptr::null_mut();
            shim.zName = c"cem-tap".as_ptr();
            shim.pAppData = real.cast();
            shim.xOpen = Some(open);
            shim.xDelete = Some(delete);
            let shim = Box::leak(Box::new(shim));
            assert_eq!(ffi::sqlite3_vfs_register(shim, 0), ffi::SQLITE_OK);
        }
    });
}

/// The system's method of a file. SAFETY of all forwards: SQLite calls them only between a successful open and close,
/// with the pointer that `open` filled in.
macro_rules! forward {
    ($file:ident . $method:ident ( $($argument:expr),* )) => {{
        let real = (*$file.cast::<Shim>()).real;
        match (*(*real).pMethods).$method {
            Some(method) => method(real $(, $argument)*),
            None => ffi::SQLITE_NOTFOUND.into(),
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for the shim and the real file behind it, by the size that was registered.
    unsafe {
        let real_vfs = (*vfs).pAppData.cast::<ffi::sqlite3_vfs>();
        let shim = file.cast::<Shim>();
        let real = shim.add(1).cast::<ffi::sqlite3_file>();
        ptr::write(shim, Shim { base: ffi::sqlite3_file { pMethods: ptr::null() }, real, tapped: ptr::null_mut() });
        let Some(real_open) = (*real_vfs).xOpen else { return ffi::SQLITE_ERROR };
        let code = real_open(real_vfs, name, real, flags, out);
        if !(*real).pMethods.is_null() {
            (*shim).base.pMethods = &raw const METHODS;
        }
        if code == ffi::SQLITE_OK
            && !name.is_null()
            && let Some((tap, file)) = CStr::from_ptr(name.cast()).to_str().ok().and_then(tap_of)
        {
            (*shim).tapped = Box::into_raw(Box::new(Tapped { tap, file }));
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: as SQLite calls it.
    unsafe {
        if let Some((tap, file)) = CStr::from_ptr(name).to_str().ok().and_then(tap_of) {
            tap.push(|| Op::Delete { file });
        }
        let real_vfs = (*vfs).pAppData.cast::<ffi::sqlite3_vfs>();
        match (*real_vfs).xDelete {
            Some(real_delete) => real_delete(real_vfs, name, sync_dir),
            None => ffi::SQLITE_ERROR,
        }
    }
}

unsafe fn tapped<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Tapped> {
    // SAFETY: set by `open`, freed by `close` only.
    unsafe { (*file.cast::<Shim>()).tapped.as_ref() }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the last call for this file.
    unsafe {
        let code = forward!(file.xClose());
        let tapped = std::mem::replace(&mut (*file.cast::<Shim>()).tapped, ptr::null_mut());
        if !tapped.is_null() {
            drop(Box::from_raw(tapped));
        }
        code
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, amount: c_int, at: ffi::sqlite3_int64) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xRead(to, amount, at)) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, amount: c_int, at: ffi::sqlite3_int64) -> c_int {
    // SAFETY: `from` points to `amount` bytes; the rest as `forward!` says.
    unsafe {
        if let Some(Tapped { tap, file: name }) = tapped(file) {
            match tap.call(false) {
                Some(Fault::NoSpace) => return ffi::SQLITE_FULL,
                Some(Fault::Io) => return ffi::SQLITE_IOERR_WRITE,
                Some(Fault::TornIo) => {
                    forward!(file.xWrite(from, amount / 2, at));
                    return ffi::SQLITE_IOERR_WRITE;
                }
                None => {}
            }
            tap.push(|| {
                let bytes = std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(amount).unwrap_or(0)).to_vec();
                Op::Write { file: name.clone(), at: at as u64, bytes }
            });
        }
        forward!(file.xWrite(from, amount, at))
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: see `forward!`.
    unsafe {
        if let Some(Tapped { tap, file: name }) = tapped(file) {
            if tap.call(true).is_some() {
                return ffi::SQLITE_IOERR_TRUNCATE;
            }
            tap.push(|| Op::Truncate { file: name.clone(), size: size as u64 });
        }
        forward!(file.xTruncate(size))
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe {
        if let Some(Tapped { tap, file: name }) = tapped(file) {
            if tap.call(true).is_some() {
                return ffi::SQLITE_IOERR_FSYNC;
            }
            tap.push(|| Op::Sync { file: name.clone() });
            let gate = {
                let mut state = tap.state();
                state.syncs += 1;
                state.gate.clone()
            };
            if let Some(gate) = gate {
                gate();
            }
        }
        forward!(file.xSync(flags))
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xFileSize(size)) }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xLock(level)) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xUnlock(level)) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xCheckReservedLock(out)) }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xFileControl(op, argument)) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xSectorSize()) }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xDeviceCharacteristics()) }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xShmMap(page, size, extend, out)) }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xShmLock(offset, n, flags)) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: see `forward!`; this one returns nothing.
    unsafe {
        let real = (*file.cast::<Shim>()).real;
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: see `forward!`.
    unsafe { forward!(file.xShmUnmap(delete)) }
}
