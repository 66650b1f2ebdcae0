using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// Writes the requests of versions 8 to 10 (ip-packet-router.md §1.5), with their stream frame where the version has one. False: the
/// destination is too small.
/// </summary>
public static class IprRequestWriter
{
    public static bool TryWriteConnect(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, ulong? bufferTimeoutMilliseconds,
        in IprTimestamp timestamp, out int written) =>
        TryWriteControl(destination, envelope, IprRequestKind.Connect, requestId, bufferTimeoutMilliseconds, timestamp, out written);

    /// <summary>Disconnect, Ping or Health.</summary>
    public static bool TryWriteControl(
        Span<byte> destination, in IprEnvelope envelope, IprRequestKind kind, ulong requestId, in IprTimestamp timestamp,
        out int written) =>
        TryWriteControl(destination, envelope, kind, requestId, null, timestamp, out written);

    /// <summary>What stands before a bundle of <paramref name="bundleBytes"/>.</summary>
    public static bool TryWriteDataHeader(Span<byte> destination, in IprEnvelope envelope, int bundleBytes, out int written)
    {
        var writer = new BincodeWriter(destination);
        bool fits = TryWriteStart(ref writer, envelope, StreamMessageType.Data)
            && writer.TryWriteByte(0) && writer.TryWriteVarint((ulong)bundleBytes);
        written = fits ? writer.Written : 0;
        return fits;
    }

    /// <summary>The empty frame that opens a stream.</summary>
    public static bool TryWriteOpen(Span<byte> destination, ulong streamId, uint sequence, out int written)
    {
        bool fits = new StreamFrame(streamId, StreamMessageType.Open, sequence).TryWrite(destination);
        written = fits ? StreamFrame.HeaderBytes : 0;
        return fits;
    }

    private static bool TryWriteControl(
        Span<byte> destination, in IprEnvelope envelope, IprRequestKind kind, ulong requestId, ulong? timeout,
        in IprTimestamp timestamp, out int written)
    {
        written = 0;
        if (kind == IprRequestKind.Data)
            return false;
        var writer = new BincodeWriter(destination);
        bool fits = TryWriteStart(ref writer, envelope, StreamMessageType.Data)
            && writer.TryWriteByte(1) && writer.TryWriteByte((byte)(kind - 1)) && writer.TryWriteVarint(requestId)
            && (kind != IprRequestKind.Connect
                || (timeout is { } wish ? writer.TryWriteByte(1) && writer.TryWriteVarint(wish) : writer.TryWriteByte(0)))
            && timestamp.TryWrite(ref writer);
        written = fits ? writer.Written : 0;
        return fits;
    }

    private static bool TryWriteStart(ref BincodeWriter writer, in IprEnvelope envelope, StreamMessageType type) =>
        (!envelope.HasStream || TryWriteFrame(ref writer, new StreamFrame(envelope.StreamId, type, envelope.Sequence)))
        && writer.TryWriteByte(envelope.Version) && writer.TryWriteByte(IprVersion.ServiceType);

    internal static bool TryWriteFrame(ref BincodeWriter writer, in StreamFrame frame)
    {
        Span<byte> bytes = stackalloc byte[StreamFrame.HeaderBytes];
        return frame.TryWrite(bytes) && writer.TryWriteFixed(bytes);
    }
}
