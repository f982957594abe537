// The inside of scandium/sequence_model.h.
#pragma once

#include "model/passes.h"
#include "scandium/sequence_model.h"

namespace scandium {

struct SequenceModel {
    SequenceModelConfig config;
    Model network;  // its layers, and the weights of all
};

struct SequenceStream {
    const SequenceModel* model = nullptr;
    SequenceStreamOptions options;
    std::unique_ptr<States> states;  // of the agents, and then a fresh one that no step writes
    std::array<OwnedHostBuffer, static_cast<size_t>(StreamBuffer::count)> buffers;
    OwnedHostBuffer workspace;
    PlannedPass step;  // last, so that it goes first

    const HostBuffer& buffer(StreamBuffer which) const { return buffers[static_cast<size_t>(which)].get(); }
};

struct SequenceWindow {
    const SequenceModel* model = nullptr;
    SequenceWindowOptions options;
    std::array<OwnedHostBuffer, static_cast<size_t>(WindowBuffer::count)> buffers;
    OwnedHostBuffer workspace;
    PlannedPass pass;

    const HostBuffer& buffer(WindowBuffer which) const { return buffers[static_cast<size_t>(which)].get(); }
};

}  // namespace scandium
