// A whole file, read-only, in the address space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace scandium {

// The bytes are read when they are touched. As with every mapping, a file that shrinks meanwhile takes them away.
class MappedFile {
public:
    // Throws FileError if it is not a regular file that can be read, or is empty.
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&&) = delete;

    std::span<const std::byte> bytes() const { return {data_, size_}; }

    // Hints: these bytes are needed next, or no longer. They may do nothing; the bytes stay readable.
    void prefetch(std::span<const std::byte> part) const;
    void release(std::span<const std::byte> part) const;

private:
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
};

// The size of what `path` names, which must be a regular file: opening a pipe would wait for its other end. Throws FileError.
uint64_t size_of_file(const std::string& path);

}  // namespace scandium
