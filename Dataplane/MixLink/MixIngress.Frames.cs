using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Noise;
using FastExit.Delivery;
using FastExit.Memory;

namespace FastExit.MixLink;

// Frames out of a stream (mix-link.md §1.3).
internal sealed partial class MixIngress
{
    /// <summary>
    /// The next bytes of the stream of frames. With a cipher they are ciphertext: it is decrypted to where it belongs, and nothing is
    /// handed on here.
    /// </summary>
    private void Decode(int index, ref IngressConnection connection, Span<byte> stream, AesGcmStream? cipher, long now)
    {
        while (!stream.IsEmpty)
        {
            if (connection.PacketBytes == 0 && !BeginFrame(index, ref connection, ref stream, cipher, now))
                return;
            int take = Math.Min(stream.Length, connection.PacketBytes - connection.PacketFilled);
            Span<byte> piece = stream[..take];
            Span<byte> place = connection.Slot.IsNone
                ? piece : _slots.Slot(connection.Slot).Slice(ReplyLayout.PacketOffset + connection.PacketFilled, take);
            if (cipher is not null)
                cipher.Decrypt(piece, place);
            else if (!connection.Slot.IsNone)
                piece.CopyTo(place);

            stream = stream[take..];
            connection.PacketFilled += take;
            if (connection.PacketFilled < connection.PacketBytes)
                return;
            EndFrame(index, ref connection, holds: cipher is not null, now);
        }
    }

    /// <summary>False: more bytes are needed, or the frame was bad and the connection is being closed (encrypted: once its record proved genuine).</summary>
    private bool BeginFrame(
        int index, ref IngressConnection connection, ref Span<byte> stream, AesGcmStream? cipher, long now)
    {
        Span<byte> header = stackalloc byte[FrameHeader.MaximumBytes];
        while (true)
        {
            if (connection.HeaderBytes == 0)
                connection.FrameStarted = now;
            cipher?.Decrypt(stream[..1], stream[..1]);
            connection.Header |= (uint)stream[0] << (8 * connection.HeaderBytes);
            connection.HeaderBytes++;
            stream = stream[1..];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(header, connection.Header);
            FrameStatus status = FrameHeader.TryRead(header[..connection.HeaderBytes], out FrameHeader frame);
            if (status == FrameStatus.Ok)
            {
                connection.Frame = frame;
                connection.PacketBytes = frame.PacketBytes;
                connection.PacketFilled = 0;
                SlotClass slotClass = frame.PacketBytes <= PacketSizes.PacketBytes(PacketSize.Regular)
                    ? SlotClass.Regular : SlotClass.Extended;
                // No slot: the packet's bytes are still taken off the stream, so framing holds.
                _counters.Add(Counter.MixLink_PartialFramesDropped, _connections.RentSlot(index, slotClass));
                if (connection.Slot.IsNone)
                    _counters.Increment(Counter.MixLink_NoSlot);
                return !stream.IsEmpty;
            }

            if (status != FrameStatus.Incomplete)
            {
                connection.HeaderBytes = 0;
                connection.Fault = status;
                if (cipher is null)
                    RefuseFrame(index, ref connection);
                else
                    cipher.Decrypt(stream, stream);
                return false;
            }

            if (stream.IsEmpty)
                return false;
        }
    }

    private void RefuseFrame(int index, ref IngressConnection connection)
    {
        _counters.Increment(connection.Fault switch
        {
            FrameStatus.BadVersion => Counter.MixLink_BadVersion,
            FrameStatus.BadSize => Counter.MixLink_BadSize,
            FrameStatus.BadType => Counter.MixLink_BadType,
            _ => Counter.MixLink_BadRotation,
        });
        BeginClose(index, ref connection);
    }

    private void EndFrame(int index, ref IngressConnection connection, bool holds, long now)
    {
        if (!connection.Slot.IsNone)
        {
            ref SlotHeader header = ref _slots.Header(connection.Slot);
            header.ContentOffset = ReplyLayout.PacketOffset;
            header.ContentBytes = connection.PacketBytes;
            header.Created = now;
            header.Size = (byte)connection.Frame.Size;
            header.Rotation = (byte)connection.Frame.Rotation;
        }

        connection.HeaderBytes = 0;
        connection.Header = 0;
        connection.PacketBytes = 0;
        connection.PacketFilled = 0;
        if (holds)
        {
            _connections.HoldFrame(index);
            return;
        }

        _counters.Increment(Counter.MixLink_FramesReceived);
        SlotHandle slot = _connections.TakeFrame(index, now);
        if (!slot.IsNone)
            _stage.Enqueue(slot, now);
    }
}
