// A file that keeps a context's pipelines between runs.
#pragma once

#include "context/instance.h"
#include "core/array.h"

namespace scandium {

struct PipelineFile {
    Array<char> path;   // with its final 0; empty: there is none
    uint64_t hash = 0;  // of what was read or written last

    explicit operator bool() const { return path.size() != 0; }
};

// What ContextOptions::pipeline_cache names for this device.
Result name_pipeline_file(const Diagnostics& diagnostics, const char* option, const VkPhysicalDeviceProperties& properties,
                          PipelineFile* file);

// Neither fails: a file that is not there is a first run, and of all else diagnostics is told.
void read_pipeline_file(const Diagnostics& diagnostics, PipelineFile* file, Array<uint8_t>* bytes);
void write_pipeline_file(const Diagnostics& diagnostics, Span<uint8_t> bytes, PipelineFile* file);

}  // namespace scandium
