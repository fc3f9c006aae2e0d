"""Check that a Vulkan driver loads: list its devices through the loader, fail if there is none.

Takes the path of the driver's ICD file and needs nothing but the Vulkan loader.
"""

import ctypes
import os
import sys


class InstanceCreateInfo(ctypes.Structure):
    """VkInstanceCreateInfo, of which only the structure type is ever set here."""

    _fields_ = [
        ("structure_type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application_info", ctypes.c_void_p),
        ("layer_count", ctypes.c_uint32),
        ("layer_names", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extension_names", ctypes.c_void_p),
    ]


def device_count(icd: str) -> int:
    os.environ["VK_DRIVER_FILES"] = os.environ["VK_ICD_FILENAMES"] = icd
    vulkan = ctypes.CDLL("libvulkan.so.1")
    instance = ctypes.c_void_p()
    info = InstanceCreateInfo(structure_type=1)
    result = vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance))
    if result != 0:
        sys.exit(f"vkCreateInstance returned {result} with {icd}")
    count = ctypes.c_uint32()
    result = vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    if result != 0:
        sys.exit(f"vkEnumeratePhysicalDevices returned {result} with {icd}")
    vulkan.vkDestroyInstance(instance, None)
    return count.value


if __name__ == "__main__":
    found = device_count(sys.argv[1])
    print(f"{sys.argv[1]}: {found} device(s)")
    sys.exit(0 if found else 1)
