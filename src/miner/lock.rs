//! The mutex of what the threads of a miner share.
//!
//! It is parking_lot's. In a build with debug assertions a thread may also have its locks
//! watched: so a simulation knows which it holds, and lets other jobs run where it lets one go.
//! A release has nothing of this.

#[cfg(not(debug_assertions))]
pub(super) use parking_lot::Mutex;
#[cfg(debug_assertions)]
pub(super) use watched::Mutex;
#[cfg(debug_assertions)]
pub use watched::{Watch, watch};

#[cfg(debug_assertions)]
mod watched {
    use std::cell::RefCell;
    use std::ops::{Deref, DerefMut};
    use std::rc::Rc;

    use parking_lot::MutexGuard;

    /// Sees a thread take locks and let go of them. A lock is known by its address.
    pub trait Watch {
        /// The thread is about to wait for this lock.
        fn takes(&self, lock: usize);
        /// The thread has let go of this lock. It may run other jobs here.
        fn has_freed(&self, lock: usize);
    }

    thread_local! {
        static WATCH: RefCell<Option<Rc<dyn Watch>>> = const { RefCell::new(None) };
    }

    /// Lets `watch` see the locks of this thread, or nobody any more.
    pub fn watch(watch: Option<Rc<dyn Watch>>) {
        WATCH.set(watch);
    }

    /// Tells whoever watches; nothing is borrowed meanwhile, so that it may take locks itself.
    fn tell(event: impl FnOnce(&dyn Watch)) {
        let watch = WATCH.try_with(|watch| watch.borrow().clone()).ok().flatten();
        if let Some(watch) = watch {
            event(&*watch);
        }
    }

    /// A mutex whose locks can be watched.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(parking_lot::Mutex<T>);

    /// Holds the lock until it is dropped.
    pub struct Held<'a, T> {
        mutex: &'a Mutex<T>,
        /// There until the guard is dropped.
        held: Option<MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(parking_lot::Mutex::new(value))
        }

        pub fn lock(&self) -> Held<'_, T> {
            tell(|watch| watch.takes(self.address()));
            Held { mutex: self, held: Some(self.0.lock()) }
        }

        fn address(&self) -> usize {
            std::ptr::from_ref(self).addr()
        }
    }

    impl<T> Deref for Held<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_ref().expect("it is there until the drop")
        }
    }

    impl<T> DerefMut for Held<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("it is there until the drop")
        }
    }

    impl<T> Drop for Held<'_, T> {
        fn drop(&mut self) {
            self.held = None;
            tell(|watch| watch.has_freed(self.mutex.address()));
        }
    }
}
