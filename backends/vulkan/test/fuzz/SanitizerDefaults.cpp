// How the sanitizers behave in the fuzzer, so that it needs no environment.

extern "C" {

// A report ends the process: what a program asks for in vain is an Error of the runtime.
__attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1:malloc_context_size=4:quarantine_size_mb=32";
}

__attribute__((visibility("default"))) const char* __ubsan_default_options() {
  return "halt_on_error=1:print_stacktrace=1";
}

__attribute__((visibility("default"))) const char* __lsan_default_options() {
  return "print_suppressions=0";
}

// Only what drivers, loader and layers leak: lavapipe about 48 bytes a pipeline.
__attribute__((visibility("default"))) const char* __lsan_default_suppressions() {
  return "leak:libvulkan_lvp.so\nleak:libvk_swiftshader.so\nleak:libLLVM\nleak:libvulkan.so\n"
         "leak:libVkLayer_\n";
}
}
