#include "context/pipeline_file.h"

#include <cerrno>
#include <cstdio>

#include "core/hash.h"

#if defined(_WIN32)
#include <process.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace scandium {
namespace {

// Caches take up what is new in each run and forget nothing. One that has grown beyond this begins anew.
constexpr size_t kMostBytes = size_t(64) << 20;

bool append(const char* text, Array<char>* out) {
    for (; *text; ++text)
        if (!out->push(*text)) return false;
    return true;
}

long process_number() {
#if defined(_WIN32)
    return long(_getpid());
#else
    return long(getpid());
#endif
}

// Takes the place of a file that is there.
bool rename_over(const char* from, const char* to) {
#if defined(_WIN32)
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) != 0;
#else
    return std::rename(from, to) == 0;
#endif
}

class OpenFile {
public:
    OpenFile(const char* path, const char* mode) : handle_(std::fopen(path, mode)) {}
    ~OpenFile() { close(); }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    explicit operator bool() const { return handle_ != nullptr; }
    // Whether all that was written has got there.
    bool close() {
        FILE* handle = handle_;
        handle_ = nullptr;
        return handle && std::fclose(handle) == 0;
    }
    bool write(Span<uint8_t> bytes) { return std::fwrite(bytes.data, 1, bytes.size, handle_) == bytes.size; }
    // To the end, or to one byte more than `most`.
    bool read(size_t most, Array<uint8_t>* bytes) {
        constexpr size_t kPiece = size_t(64) << 10;
        while (bytes->size() <= most) {
            const size_t before = bytes->size();
            if (!bytes->reserve(before == 0 ? kPiece : 2 * before) || !bytes->resize(before + kPiece)) return false;
            const size_t count = std::fread(bytes->data() + before, 1, kPiece, handle_);
            if (!bytes->resize(before + count) || std::ferror(handle_)) return false;
            if (count < kPiece) return true;
        }
        return true;
    }

private:
    FILE* handle_;
};

bool write_whole(const char* path, Span<uint8_t> bytes) {
    OpenFile file(path, "wb");
    return file && file.write(bytes) && file.close();
}

}  // namespace

Result name_pipeline_file(const Diagnostics& diagnostics, const char* option, const VkPhysicalDeviceProperties& properties,
                          PipelineFile* file) {
    if (!option || !*option) return Result::ok;
    char name[40] = "";
    if (option[std::strlen(option) - 1] == '/')
        std::snprintf(name, sizeof name, "%08x-%08x.pipelines", unsigned(properties.vendorID), unsigned(properties.deviceID));
    if (append(option, &file->path) && append(name, &file->path) && file->path.push('\0')) return Result::ok;
    return diagnostics.fail(Result::out_of_host_memory, "create_context: out of host memory");
}

void read_pipeline_file(const Diagnostics& diagnostics, PipelineFile* file, Array<uint8_t>* bytes) {
    const char* path = file->path.data();
    OpenFile open(path, "rb");
    if (!open) {
        if (errno != ENOENT) diagnostics.fail(Result::ok, "the pipeline cache %s cannot be read: %s", path, std::strerror(errno));
        return;
    }
    const bool is_read = open.read(kMostBytes, bytes);
    if (is_read && bytes->size() <= kMostBytes) {
        file->hash = hash_bytes(bytes->data(), bytes->size());
        return;
    }
    diagnostics.fail(Result::ok, "the pipeline cache %s %s: pipelines are compiled anew", path,
                     is_read ? "is larger than 64 MiB" : "cannot be read");
    static_cast<void>(bytes->resize(0));  // which cannot fail
}

void write_pipeline_file(const Diagnostics& diagnostics, Span<uint8_t> bytes, PipelineFile* file) {
    const uint64_t hash = hash_bytes(bytes.data, bytes.size);
    if (hash == file->hash) return;
    // Under another name first, so that nobody reads half a file, and of programs that end together one wins.
    Array<char> temporary;
    char suffix[64];
    std::snprintf(suffix, sizeof suffix, ".%ld.%p.tmp", process_number(), static_cast<void*>(file));
    const char* path = file->path.data();
    bool written = append(path, &temporary) && append(suffix, &temporary) && temporary.push('\0') && write_whole(temporary.data(), bytes);
    written = written && rename_over(temporary.data(), path);
    if (written) {
        file->hash = hash;
        return;
    }
    diagnostics.fail(Result::ok, "the pipeline cache %s cannot be written: %s", path, std::strerror(errno));
    if (temporary.size() != 0) std::remove(temporary.data());
}

}  // namespace scandium
