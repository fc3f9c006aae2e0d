#include "WholeFile.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace etvk {

namespace {

// Writes all of `bytes`; errno says why not.
bool write_all(int file, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t count = ::write(file, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno != EINTR) {
      return false;
    }
    at += count > 0 ? static_cast<size_t>(count) : 0;
  }
  return true;
}

}  // namespace

std::string read_file(const std::string& path, std::string* why) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return "";
  }
  if (error || status.type() != std::filesystem::file_type::regular) {
    *why = error ? error.message() : "it is not a regular file";
    return "";
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) {
    *why = "it cannot be read";
    return "";
  }
  return bytes;
}

bool replace_file(const std::string& path, const std::string& bytes, std::string* why) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) {
    *why = std::strerror(errno);
    return false;
  }
  bool good = write_all(file, bytes);
  int error = errno;
  if (::close(file) != 0 && good) {
    good = false;
    error = errno;
  }
  if (good && std::rename(temporary.c_str(), path.c_str()) != 0) {
    good = false;
    error = errno;
  }
  if (!good) {
    *why = std::strerror(error);
    ::unlink(temporary.c_str());
  }
  return good;
}

}  // namespace etvk
