using FastExit.Memory;
using FastExit.Native.IoUring;

namespace FastExit.IpPacketRouter;

/// <summary>One core's door to the host's routing, used on the core's thread alone. Allocates nothing per packet.</summary>
internal interface IIpDevice : IDisposable
{
    /// <summary>False while the device is gone.</summary>
    bool IsUp { get; }

    /// <summary>No packet is on its way to the host, so no slot is held.</summary>
    bool IsIdle { get; }

    /// <summary>Who is handed what the device reads. Once, before anything else.</summary>
    void Connect(IIpDeviceOwner owner);

    /// <summary>
    /// Hands one IP packet to the host, straight from the slot it came in. A device that does not copy takes a reference of its own
    /// (<see cref="SlotReferences.Add"/>) and releases it once written. What cannot be written is counted and dropped.
    /// </summary>
    void Write(SlotHandle slot, int offset, int bytes);

    /// <summary>The packets of this turn are all there: write what was held back for coalescing.</summary>
    void Flush(long nowMilliseconds);

    void OnCompletion(in Completion completion, long nowMilliseconds)
    {
    }

    /// <summary>Every 10 ms: reads that must be tried again.</summary>
    void Tick(long nowMilliseconds)
    {
    }

    /// <summary>Read no more.</summary>
    void BeginDrain()
    {
    }
}

/// <summary>Who is handed what the host routes into the tunnel.</summary>
internal interface IIpDeviceOwner
{
    /// <summary>
    /// One frame as the device gives it, virtio header first: one packet, or a large one that stands for many. Only valid during the call.
    /// </summary>
    void OnFrame(ReadOnlySpan<byte> frame, long nowMilliseconds);
}
