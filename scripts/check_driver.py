"""Check that a Vulkan driver loads and has a device, with a given extension if one is named.

Takes the path of the driver's ICD file and the extension; needs nothing but the Vulkan loader.
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


class ExtensionProperties(ctypes.Structure):
    """VkExtensionProperties."""

    _fields_ = [("name", ctypes.c_char * 256), ("version", ctypes.c_uint32)]


def device_extensions(icd: str) -> list[set[str]]:
    """The extension names of each device of the driver."""
    os.environ["VK_DRIVER_FILES"] = os.environ["VK_ICD_FILENAMES"] = icd
    vulkan = ctypes.CDLL("libvulkan.so.1")

    def call(function: str, *arguments: object) -> None:
        result = getattr(vulkan, function)(*arguments)
        if result != 0:
            sys.exit(f"{function} returned {result} with {icd}")

    instance = ctypes.c_void_p()
    info = InstanceCreateInfo(structure_type=1)
    call("vkCreateInstance", ctypes.byref(info), None, ctypes.byref(instance))
    count = ctypes.c_uint32()
    call("vkEnumeratePhysicalDevices", instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * count.value)()
    call("vkEnumeratePhysicalDevices", instance, ctypes.byref(count), devices)
    found = []
    for handle in devices:
        device = ctypes.c_void_p(handle)
        query = "vkEnumerateDeviceExtensionProperties"
        call(query, device, None, ctypes.byref(count), None)
        extensions = (ExtensionProperties * count.value)()
        call(query, device, None, ctypes.byref(count), extensions)
        found.append({extension.name.decode() for extension in extensions})
    vulkan.vkDestroyInstance(instance, None)
    return found


def main(icd: str, extension: str = "") -> int:
    found = device_extensions(icd)
    fitting = [extensions for extensions in found if not extension or extension in extensions]
    print(f"{icd}: {len(found)} device(s)" + f", {len(fitting)} with {extension}" * bool(extension))
    return 0 if fitting else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
