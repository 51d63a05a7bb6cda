#pragma once
/// A GPU's work, recorded once and started again by one call of the host.
#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace dreamfusion {

class RecordedGraph {
 public:
  virtual ~RecordedGraph() = default;
  /// Does the work again, on the same memory, in the order of the device's current stream.
  virtual void replay() = 0;
};

class GraphRecorder {
 public:
  virtual ~GraphRecorder() = default;
  /// Calls `work` twice: as it is, so that libraries set up what they keep, and again to record it. Memory that the recorded call takes is
  /// the graph's until the graph goes.
  /// @throws std::exception when `work` fails, or does what cannot be recorded (waiting for the device)
  virtual std::unique_ptr<RecordedGraph> record(c10::Device device, const std::function<void()>& work) = 0;
};

/// CUDA graphs; null where this build has no CUDA.
std::unique_ptr<GraphRecorder> make_graph_recorder();

}  // namespace dreamfusion
