using System.Buffers.Binary;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>
/// Writes requests (layouts: <see cref="Request"/>). Every method returns false, with nothing promised about the destination, when
/// it is too small or a field does not fit.
/// </summary>
public static class RequestWriter
{
    /// <param name="returnAddress">Empty (answers by SURB) or 96 bytes.</param>
    public static bool TryWriteConnect(
        Span<byte> destination,
        MessageForm form,
        ulong connectionId,
        ReadOnlySpan<byte> hostPort,
        ReadOnlySpan<byte> returnAddress,
        out int bytesWritten)
    {
        int prefix = MessageSizes.RequestPrefixBytes(form);
        bytesWritten = prefix + 10 + hostPort.Length + returnAddress.Length;
        if (destination.Length < bytesWritten || hostPort.Length > ushort.MaxValue
            || returnAddress.Length is not (0 or MessageSizes.ReturnAddressBytes))
        {
            bytesWritten = 0;
            return false;
        }

        WritePrefix(destination, form, flag: 0);
        Span<byte> body = destination[prefix..];
        BinaryPrimitives.WriteUInt64BigEndian(body, connectionId);
        BinaryPrimitives.WriteUInt16BigEndian(body[8..], (ushort)hostPort.Length);
        hostPort.CopyTo(body[10..]);
        returnAddress.CopyTo(body[(10 + hostPort.Length)..]);
        return true;
    }

    /// <summary>The header of a Send; the payload follows it and may already lie there.</summary>
    public static bool TryWriteSendHeader(
        Span<byte> destination, MessageForm form, ulong connectionId, ulong sequence, bool closed, out int bytesWritten)
    {
        bytesWritten = MessageSizes.SendHeaderBytes(form);
        if (destination.Length < bytesWritten)
        {
            bytesWritten = 0;
            return false;
        }

        WritePrefix(destination, form, flag: 1);
        Span<byte> body = destination[MessageSizes.RequestPrefixBytes(form)..];
        BinaryPrimitives.WriteUInt64BigEndian(body, connectionId);
        body[8] = closed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64BigEndian(body[9..], sequence);
        return true;
    }

    public static bool TryWriteSend(
        Span<byte> destination,
        MessageForm form,
        ulong connectionId,
        ulong sequence,
        bool closed,
        ReadOnlySpan<byte> payload,
        out int bytesWritten)
    {
        if (!TryWriteSendHeader(destination, form, connectionId, sequence, closed, out bytesWritten)
            || !payload.TryCopyTo(destination[bytesWritten..]))
        {
            bytesWritten = 0;
            return false;
        }

        bytesWritten += payload.Length;
        return true;
    }

    public static bool TryWriteQuery(Span<byte> destination, MessageForm form, QueryKind query, out int bytesWritten)
    {
        bytesWritten = MessageSizes.RequestPrefixBytes(form) + 1;
        if (destination.Length < bytesWritten || query > QueryKind.ExitPolicy)
        {
            bytesWritten = 0;
            return false;
        }

        WritePrefix(destination, form, flag: 2);
        destination[bytesWritten - 1] = (byte)query;
        return true;
    }

    public static bool TryWriteControl(Span<byte> destination, ControlKind control, out int bytesWritten)
    {
        bytesWritten = 3;
        if (destination.Length < bytesWritten || control > ControlKind.SupportedVersions)
        {
            bytesWritten = 0;
            return false;
        }

        destination[0] = 3;
        destination[1] = 0;
        destination[2] = (byte)control;
        return true;
    }

    private static void WritePrefix(Span<byte> destination, MessageForm form, byte flag)
    {
        int at = 0;
        if (form != MessageForm.Legacy)
        {
            destination[0] = 3;
            destination[1] = 1;
            at = 2;
        }

        destination[at] = form == MessageForm.Version3 ? (byte)3 : (byte)0;
        destination[at + 1] = flag;
    }
}
