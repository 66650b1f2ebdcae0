using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// Writes the responses of versions 8 to 10 (ip-packet-router.md §1.6), with their stream frame where the version has one: the
/// envelope's version decides the shape. Texts are UTF-8. False: the destination is too small.
/// </summary>
public static class IprResponseWriter
{
    /// <summary>Strings of a Health answer, in wire order: binary name, build timestamp, build version, commit sha, commit timestamp,
    /// commit branch, rustc version, rustc channel, cargo profile, cargo triple.</summary>
    public const int HealthTexts = 10;

    private const int LongestShortLength = 250;

    /// <summary>Bytes before a bundle of that size.</summary>
    public static int DataHeaderBytes(byte version, int bundleBytes) =>
        (IprVersion.UsesStream(version) ? StreamFrame.HeaderBytes : 0) + 2 + (bundleBytes <= LongestShortLength ? 1
            : bundleBytes <= ushort.MaxValue ? 3 : 5);

    /// <summary>
    /// Writes the header so that it ends where the bundle starts, and returns where the message starts; -1 when there is no room.
    /// </summary>
    public static int WriteDataHeaderBefore(Span<byte> slot, int bundleOffset, int bundleBytes, in IprEnvelope envelope)
    {
        int start = bundleOffset - DataHeaderBytes(envelope.Version, bundleBytes);
        if (start < 0 || bundleOffset > slot.Length || bundleBytes < 0)
            return -1;
        var writer = new BincodeWriter(slot[start..bundleOffset]);
        bool fits = TryWriteStart(ref writer, envelope) && writer.TryWriteByte(0) && writer.TryWriteVarint((ulong)bundleBytes);
        return fits ? start : -1;
    }

    /// <summary>The MTU goes out in version 10 alone.</summary>
    public static bool TryWriteConnectSuccess(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, in AddressPair pair, ushort mtu, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Connect) && writer.TryWriteVarint(requestId)
                && writer.TryWriteByte(0) && pair.TryWrite(ref writer)
                && (envelope.Version < IprVersion.StreamWithMtu || writer.TryWriteVarint(mtu)),
            writer,
            out written);
    }

    public static bool TryWriteConnectFailure(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, IprConnectFailure reason, ReadOnlySpan<byte> text,
        out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Connect) && writer.TryWriteVarint(requestId)
                && writer.TryWriteByte(1)
                && TryWriteReason(ref writer, (byte)reason, reason == IprConnectFailure.Other, text),
            writer,
            out written);
    }

    public static bool TryWriteDisconnectSuccess(Span<byte> destination, in IprEnvelope envelope, ulong requestId, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Disconnect) && writer.TryWriteVarint(requestId)
                && writer.TryWriteByte(0),
            writer,
            out written);
    }

    public static bool TryWriteDisconnectFailure(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, IprDisconnectFailure reason, ReadOnlySpan<byte> text,
        out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Disconnect) && writer.TryWriteVarint(requestId)
                && writer.TryWriteByte(1)
                && TryWriteReason(ref writer, (byte)reason, reason == IprDisconnectFailure.Other, text),
            writer,
            out written);
    }

    public static bool TryWriteUnrequestedDisconnect(
        Span<byte> destination, in IprEnvelope envelope, IprDisconnectReason reason, ReadOnlySpan<byte> text, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.UnrequestedDisconnect)
                && TryWriteReason(ref writer, (byte)reason, reason == IprDisconnectReason.Other, text),
            writer,
            out written);
    }

    public static bool TryWritePong(Span<byte> destination, in IprEnvelope envelope, ulong requestId, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Pong) && writer.TryWriteVarint(requestId), writer, out written);
    }

    /// <summary>
    /// <paramref name="encodedTexts"/>: the ten strings as <see cref="TryEncodeHealthTexts"/> laid them out, once at start-up.
    /// </summary>
    public static bool TryWriteHealth(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, ReadOnlySpan<byte> encodedTexts, bool? routable,
        out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Health) && writer.TryWriteVarint(requestId)
                && writer.TryWriteFixed(encodedTexts)
                && (routable is { } known ? writer.TryWriteByte(1) && writer.TryWriteBool(known) : writer.TryWriteByte(0)),
            writer,
            out written);
    }

    /// <summary>The strings of a Health answer one after another; false unless there are ten and they fit.</summary>
    public static bool TryEncodeHealthTexts(Span<byte> destination, ReadOnlySpan<string> texts, out int written)
    {
        var writer = new BincodeWriter(destination);
        bool fits = texts.Length == HealthTexts;
        foreach (string text in texts)
            fits = fits && writer.TryWriteString(System.Text.Encoding.UTF8.GetBytes(text));
        return Finish(fits, writer, out written);
    }

    /// <summary>A refusal names the destination, <c>ip:port</c> or <c>[v6]:port</c>; Generic any text.</summary>
    public static bool TryWriteInfo(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, IprInfoKind kind, IprInfoLevel level,
        ReadOnlySpan<byte> text, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            kind != IprInfoKind.VersionMismatch && TryWriteControl(ref writer, envelope, IprResponseKind.Info)
                && writer.TryWriteVarint(requestId) && writer.TryWriteByte((byte)kind) && writer.TryWriteString(text)
                && writer.TryWriteByte((byte)level),
            writer,
            out written);
    }

    public static bool TryWriteVersionMismatch(
        Span<byte> destination, in IprEnvelope envelope, ulong requestId, byte requestVersion, byte responseVersion,
        IprInfoLevel level, out int written)
    {
        var writer = new BincodeWriter(destination);
        return Finish(
            TryWriteControl(ref writer, envelope, IprResponseKind.Info) && writer.TryWriteVarint(requestId)
                && writer.TryWriteByte((byte)IprInfoKind.VersionMismatch) && writer.TryWriteByte(requestVersion)
                && writer.TryWriteByte(responseVersion) && writer.TryWriteByte((byte)level),
            writer,
            out written);
    }

    private static bool TryWriteReason(ref BincodeWriter writer, byte reason, bool hasText, ReadOnlySpan<byte> text) =>
        writer.TryWriteByte(reason) && (!hasText || writer.TryWriteString(text));

    private static bool TryWriteControl(ref BincodeWriter writer, in IprEnvelope envelope, IprResponseKind kind) =>
        TryWriteStart(ref writer, envelope) && writer.TryWriteByte(1) && writer.TryWriteByte((byte)(kind - 1));

    private static bool TryWriteStart(ref BincodeWriter writer, in IprEnvelope envelope) =>
        (!envelope.HasStream || IprRequestWriter.TryWriteFrame(
            ref writer, new StreamFrame(envelope.StreamId, StreamMessageType.Data, envelope.Sequence)))
        && writer.TryWriteByte(envelope.Version);

    private static bool Finish(bool fits, in BincodeWriter writer, out int written)
    {
        written = fits ? writer.Written : 0;
        return fits;
    }
}
