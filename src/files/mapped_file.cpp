#include "files/mapped_file.h"

#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "files/safetensors.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace scandium {
namespace {

#if defined(_WIN32)

const void* map(const std::string& path, size_t) {
    const std::wstring name = std::filesystem::path(path).wstring();
    const HANDLE file =
        CreateFileW(name.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, nullptr);
    if (file == INVALID_HANDLE_VALUE) throw FileError(path + ": cannot be opened");
    const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
    CloseHandle(file);
    if (!mapping) throw FileError(path + ": cannot be mapped");
    const void* data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    CloseHandle(mapping);
    if (!data) throw FileError(path + ": cannot be mapped");
    return data;
}

void unmap(const std::byte* data, size_t) { UnmapViewOfFile(data); }

#else

const void* map(const std::string& path, size_t size) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw FileError(path + ": cannot be opened: " + std::strerror(errno));
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    const int error = errno;
    ::close(file);
    if (data == MAP_FAILED) throw FileError(path + ": cannot be mapped: " + std::strerror(error));
    return data;
}

void unmap(const std::byte* data, size_t size) { ::munmap(const_cast<std::byte*>(data), size); }

// madvise wants whole pages: those that `part` touches, or only those inside it.
void advise(std::span<const std::byte> part, int advice, bool inside_only) {
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto first = reinterpret_cast<uintptr_t>(part.data()), last = first + part.size();
    first = (inside_only ? first + page - 1 : first) / page * page;
    last = (inside_only ? last : last + page - 1) / page * page;
    if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, advice);
}

#endif

}  // namespace

uint64_t size_of_file(const std::string& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) throw FileError(path + ": there is no such file");
    if (std::filesystem::is_directory(status)) throw FileError(path + ": is a directory");
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) throw FileError(path + ": is not a regular file");
    const uint64_t size = error ? 0 : std::filesystem::file_size(path, error);
    if (error) throw FileError(path + ": cannot be read: " + error.message());
    return size;
}

MappedFile::MappedFile(const std::string& path) {
    const uint64_t size = size_of_file(path);
    if (size == 0) throw FileError(path + ": is empty");
    if (size > std::numeric_limits<size_t>::max()) throw FileError(path + ": is too large for this machine's addresses");
    size_ = static_cast<size_t>(size);
    data_ = static_cast<const std::byte*>(map(path, size_));
}

MappedFile::~MappedFile() {
    if (data_) unmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

#if defined(_WIN32)
void MappedFile::prefetch(std::span<const std::byte>) const {}
void MappedFile::release(std::span<const std::byte>) const {}
#else
void MappedFile::prefetch(std::span<const std::byte> part) const { advise(part, MADV_WILLNEED, false); }
void MappedFile::release(std::span<const std::byte> part) const { advise(part, MADV_DONTNEED, true); }
#endif

}  // namespace scandium
