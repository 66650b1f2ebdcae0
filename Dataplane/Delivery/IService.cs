using FastExit.Cores;
using FastExit.Native.IoUring;

namespace FastExit.Delivery;

/// <summary>
/// One core's part of a service: it is handed complete application messages and answers through its <see cref="IReplyPath"/>. Every member
/// is called on the core's own thread. A service that was built owning memory also implements <see cref="IDisposable"/>; it is disposed
/// after the ring, when the kernel no longer uses its memory.
/// </summary>
internal interface IService : IReplyPathOwner
{
    /// <summary>Something can be done now without another completion: the core must not sleep.</summary>
    bool HasWork => false;

    /// <summary>After <see cref="BeginDrain"/>: its clients were told that it ends, nothing is left to do.</summary>
    bool Drained => true;

    /// <summary>Takes the slot.</summary>
    void OnMessage(in InboundMessage message, long nowMilliseconds);

    /// <summary>A completion of the service's own <see cref="CompletionKind"/> range.</summary>
    void OnCompletion(in Completion completion, long nowMilliseconds)
    {
    }

    /// <summary>What the same service on another core handed over (<see cref="ParcelKind.IpPacket"/>); takes the slot, which is lent.</summary>
    void OnParcel(in CoreParcel parcel, long nowMilliseconds) =>
        throw new InvalidOperationException($"a service that sends no {parcel.Kind} got one");

    /// <summary>Every 10 ms, after the reply stage's own tick.</summary>
    void Tick(long nowMilliseconds)
    {
    }

    /// <summary>At the end of each loop, before packets are handed to the kernel.</summary>
    void Flush(long nowMilliseconds)
    {
    }

    void BeginDrain(long nowMilliseconds)
    {
    }
}
