//! A GPU that was found, and stays the same for the life of the process.

use super::DeviceError;
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuBackend;
use std::sync::OnceLock;

/// Pinned: burn would otherwise fall back to OpenGL, on which its kernels are not at home.
const API: WgpuBackend =
    if cfg!(target_os = "macos") { WgpuBackend::Metal } else { WgpuBackend::Vulkan };

/// The result of looking: burn's device and what it is, or why there is none. burn sets a GPU up once in a
/// process, and would panic at the first tensor if there were none.
static FOUND: OnceLock<Result<(Device, String), String>> = OnceLock::new();

/// Proof that there is a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu(&'static str);

impl Gpu {
    /// Looks for a GPU, or for a driver that computes on the processor instead.
    ///
    /// # Errors
    /// [`DeviceError::Absent`] with what the driver says.
    pub fn find() -> Result<Gpu, DeviceError> {
        let found = FOUND.get_or_init(|| {
            let setup = Device::wgpu_options().graphics_api(API).init_with_setup();
            let (device, setup) = setup.map_err(|e| e.to_string())?;
            let info = setup.adapter.get_info();
            Ok((device, format!("{} ({:?}, {:?})", info.name, info.backend, info.device_type)))
        });
        match found {
            Ok((_, hardware)) => Ok(Gpu(hardware)),
            Err(why) => Err(DeviceError::Absent { name: "wgpu".to_owned(), why: why.clone() }),
        }
    }

    /// Its name, the interface it is reached through, and its kind.
    pub(super) fn hardware(self) -> &'static str {
        self.0
    }

    /// burn's device.
    pub(super) fn device(self) -> Device {
        let found = FOUND.get().and_then(|found| found.as_ref().ok());
        found.map(|(device, _)| device.clone()).expect("a Gpu is only made once one was found")
    }
}
