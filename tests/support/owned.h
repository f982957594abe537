// Objects of the library that go when their owner goes.
#pragma once

#include <memory>

#include "scandium/plan.h"

namespace scandium::test {

template <auto Destroy>
struct Destroyer {
    template <class T>
    void operator()(T* object) const {
        Destroy(object);
    }
};

using DevicePtr = std::unique_ptr<Device, Destroyer<destroy_device>>;
using GraphPtr = std::unique_ptr<Graph, Destroyer<destroy_graph>>;
using PlanPtr = std::unique_ptr<Plan, Destroyer<destroy_plan>>;
using BindingsPtr = std::unique_ptr<Bindings, Destroyer<destroy_bindings>>;

}  // namespace scandium::test
