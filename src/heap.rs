//! Memory that is free goes back to the system.
//!
//! A load takes several times what it leaves, in pieces of all sizes, and the C library keeps what is freed for the next one: after
//! the first start with full databases 34 MiB of 50, after a reload of 100,000 names 75 of 140. Large pieces are mapped
//! each for itself ([`set_up`]), so that they go when they are freed; the holes between small ones are given back at the
//! end of a load ([`give_back`]), on its own thread. Queries allocate nothing and do not notice.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "no safe face of these functions is known")
)]

/// Octets from which on a piece is mapped for itself. By default the library raises this to 32 MiB as such pieces are
/// freed, and then keeps up to 64 MiB at the end of each of its arenas, which no call gives back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 256 << 10;

/// To be called once, before the first load.
pub fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes two numbers. That it be refused is no harm.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Gives back what can be given back: whole pages, wherever they lie. Does nothing where the system's allocator does that by
/// itself, or cannot.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number, and may be called at any time from any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
