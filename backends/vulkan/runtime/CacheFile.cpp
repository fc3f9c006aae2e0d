// Files are written in place, under a lock. A temporary file would stay behind where the process is
// killed, and renaming it would replace whatever has come to lie there since it was looked at; what
// is opened here is what is checked, read and written. Half of a file, which a killed process does
// leave, is found by its checksum.
#include "CacheFile.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace etvk {

namespace {

// Writing takes milliseconds; who holds the lock for longer has been stopped.
constexpr std::chrono::milliseconds kLockWait{2000};
constexpr std::chrono::milliseconds kLockPoll{5};

class OpenFile {
 public:
  // No link is followed, and opening a FIFO or a terminal neither waits nor takes it.
  OpenFile(const std::string& path, int flags)
      : file_(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                     S_IRUSR | S_IWUSR)),
        error_(file_ < 0 ? errno : 0) {}
  ~OpenFile() {
    if (file_ >= 0) {
      ::flock(file_, LOCK_UN);  // a child of fork() may hold the file open
      ::close(file_);
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int get() const { return file_; }
  int error() const { return error_; }  // errno of opening it; 0: it is open

 private:
  int file_;
  int error_;
};

std::string open_error(int error) {
  switch (error) {
    case ELOOP:
      return "it is a symbolic link, which is not followed";
    case EISDIR:
    case ENXIO:  // a socket
      return "it is not a regular file";
    default:
      return std::strerror(error);
  }
}

// Why a file cannot be trusted; empty: it can.
std::string distrust(const struct stat& status, bool roots_too) {
  if (!S_ISREG(status.st_mode)) {
    return "it is not a regular file";
  }
  if (status.st_uid != ::geteuid() && !(roots_too && status.st_uid == 0)) {
    return "it belongs to another user";
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return "others than its owner may write to it; 'chmod go-w' it if its content is yours";
  }
  return "";
}

// False if another process holds the lock all the time. Some file systems have no locks.
bool lock(int file, int operation) {
  const auto end = std::chrono::steady_clock::now() + kLockWait;
  while (::flock(file, operation | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(kLockPoll);
  }
  return true;
}

// The first `size_bytes` of the file, or as many as there are by then; false with errno set.
bool read_all(int file, uint64_t size_bytes, std::string& bytes) {
  bytes.resize(size_bytes);
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t count =
        ::pread(file, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (count < 0 && errno != EINTR) {
      return false;
    }
    if (count == 0) {
      break;
    }
    at += count > 0 ? static_cast<size_t>(count) : 0;
  }
  bytes.resize(at);
  return true;
}

bool write_all(int file, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t count =
        ::pwrite(file, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (count < 0 && errno != EINTR) {
      return false;
    }
    at += count > 0 ? static_cast<size_t>(count) : 0;
  }
  return true;
}

// 0, or an errno with the old bytes still there where the disk is full. The magic comes first, so
// that a file that is begun is one of ours whatever happens then.
int overwrite(int file, off_t old_size, const std::string& magic, const std::string& bytes) {
  if (!write_all(file, magic)) {
    return errno;
  }
  const int reserved = ::posix_fallocate(file, 0, static_cast<off_t>(bytes.size()));
  if (reserved != 0) {
    return ::ftruncate(file, old_size) == 0 ? reserved : errno;
  }
  if (!write_all(file, bytes) || ::ftruncate(file, static_cast<off_t>(bytes.size())) != 0) {
    return errno;
  }
  return 0;
}

std::string too_long(uint64_t size_bytes) {
  return "it has " + std::to_string(size_bytes) + " bytes, the most are " +
         std::to_string(kMaxCacheFileBytes);
}

}  // namespace

std::string read_cache_file(const std::string& path, std::string* why) {
  const OpenFile file(path, O_RDONLY);
  if (file.error() == ENOENT) {
    return "";
  }
  if (file.error() != 0) {
    *why = open_error(file.error());
    return "";
  }
  lock(file.get(), LOCK_SH);  // without it a checksum tells
  struct stat status{};
  std::string bytes;
  if (::fstat(file.get(), &status) != 0) {
    *why = std::strerror(errno);
    return "";
  }
  const auto size_bytes = static_cast<uint64_t>(status.st_size);
  *why = distrust(status, true);
  if (why->empty() && size_bytes > kMaxCacheFileBytes) {
    *why = too_long(size_bytes);
  }
  if (why->empty() && !read_all(file.get(), size_bytes, bytes)) {
    *why = std::strerror(errno);
  }
  return why->empty() ? bytes : "";
}

bool update_cache_file(const std::string& path, const std::string& magic,
                       const std::function<std::string(const std::string&)>& change,
                       std::string* why) {
  const OpenFile file(path, O_RDWR | O_CREAT);
  if (file.error() != 0) {
    *why = open_error(file.error());
    return false;
  }
  if (!lock(file.get(), LOCK_EX)) {
    *why = "another process is writing it";
    return false;
  }
  struct stat status{};
  std::string old;
  if (::fstat(file.get(), &status) != 0) {
    *why = std::strerror(errno);
    return false;
  }
  *why = distrust(status, false);
  if (!why->empty()) {
    return false;
  }
  const auto size_bytes = static_cast<uint64_t>(status.st_size);
  const bool is_long = size_bytes > kMaxCacheFileBytes;
  if (!read_all(file.get(), is_long ? magic.size() : size_bytes, old)) {
    *why = std::strerror(errno);
    return false;
  }
  if (!old.empty() && old.compare(0, magic.size(), magic) != 0) {
    *why = "it is another file, which is left alone";
    return false;
  }
  const std::string bytes = change(is_long ? "" : old);
  if (bytes.size() > kMaxCacheFileBytes) {
    *why = too_long(bytes.size());
    return false;
  }
  const int error = overwrite(file.get(), status.st_size, magic, bytes);
  if (error != 0) {
    *why = std::strerror(error);
  }
  return error == 0;
}

}  // namespace etvk
