// The JSON header of a safetensors file, by itself.
#pragma once

#include "files/safetensors.h"

namespace scandium {

struct SafetensorsHeader {
    Metadata metadata;
    std::map<std::string, SafetensorsEntry, std::less<>> entries;
};

// Checks the header's form, and that the tensors cover `data_bytes` exactly. Throws FileError with a sentence that
// begins with `path`.
SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view json, uint64_t data_bytes);

}  // namespace scandium
