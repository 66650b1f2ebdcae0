using FastExit.Delivery;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>A client of one shard: writes requests, reads what came back for it.</summary>
internal sealed class IprClient(IprWorld world, int core, byte version)
{
    private int _seen;

    public byte Version { get; set; } = version;

    public ulong StreamId { get; set; } = 0x0123456789abcdef;

    public int Peer { get; } = world.Cores[core].Replies.AddPeer();

    public AddressPair? Pair { get; private set; }

    public ushort? Mtu { get; private set; }

    public uint LastSequence { get; private set; }

    public NumericAddress IPv4 => NumericAddress.IPv4(Pair!.Value.IPv4);

    public NumericAddress IPv6 => NumericAddress.IPv6(Pair!.Value.IPv6);

    private IprEnvelope Envelope => new(Version, StreamId, 0);

    public Said Connect(ulong id, ulong? timeout = null)
    {
        Span<byte> message = stackalloc byte[128];
        Assert.True(IprRequestWriter.TryWriteConnect(message, Envelope, id, timeout, IprTimestamp.FromUtc(DateTime.UnixEpoch), out int bytes));
        Deliver(message[..bytes]);
        Said answer = Assert.Single(Said());
        Assert.Equal(IprResponseKind.Connect, answer.Kind);
        Assert.Equal(id, answer.RequestId);
        if (answer.Succeeded)
            (Pair, Mtu) = (answer.Pair, answer.Mtu);
        return answer;
    }

    public void Control(IprRequestKind kind, ulong id)
    {
        Span<byte> message = stackalloc byte[128];
        Assert.True(IprRequestWriter.TryWriteControl(message, Envelope, kind, id, IprTimestamp.FromUtc(DateTime.UnixEpoch), out int bytes));
        Deliver(message[..bytes]);
    }

    public void Send(params byte[][] packets)
    {
        byte[] bundle = [.. packets.SelectMany(p => (byte[])[(byte)(p.Length >> 8), (byte)p.Length, .. p])];
        SendBundle(bundle);
    }

    public void SendBundle(ReadOnlySpan<byte> bundle)
    {
        byte[] message = new byte[bundle.Length + 64];
        Assert.True(IprRequestWriter.TryWriteDataHeader(message, Envelope, bundle.Length, out int header));
        bundle.CopyTo(message.AsSpan(header));
        Deliver(message.AsSpan(0, header + bundle.Length));
    }

    public void Deliver(ReadOnlySpan<byte> message)
    {
        const int offset = 100;
        IprWorld.CoreWorld own = world.Cores[core];
        SlotClass slotClass = SlotClass.Regular;
        if (message.Length + offset > SlotPool.RegularBytes)
            Assert.True(SlotPool.TryAssemblyClass(message.Length + offset, out slotClass));
        Assert.True(own.Memory.Own.TryRent(slotClass, out SlotHandle slot));
        message.CopyTo(own.Memory.Slot(slot)[offset..]);
        own.Shard.OnMessage(new InboundMessage(slot, offset, message.Length, Peer), world.Now);
    }

    /// <summary>What was said to this client since the last look.</summary>
    public List<Said> Said()
    {
        List<(int Peer, byte[] Message)> all = world.Cores[core].Replies.Messages;
        var said = new List<Said>();
        for (; _seen < all.Count; _seen++)
        {
            if (all[_seen].Peer != Peer)
                continue;
            Assert.Equal(IprReadStatus.Ok, IprResponse.TryRead(all[_seen].Message, out IprResponse response));
            LastSequence = response.Envelope.Sequence;
            said.Add(new Said(response, all[_seen].Message));
        }

        return said;
    }

    public List<byte[]> Packets() => [.. Said().SelectMany(s => s.Packets)];
}

internal sealed class Said
{
    public Said(IprResponse response, byte[] message)
    {
        Bytes = message.Length;
        Kind = response.Kind;
        Envelope = response.Envelope;
        RequestId = response.RequestId;
        Succeeded = response.Succeeded;
        Pair = response.Pair;
        Mtu = response.Mtu;
        Reason = response.Reason;
        Text = System.Text.Encoding.UTF8.GetString(response.Text);
        Routable = response.Routable;
        Mismatch = (response.MismatchedRequestVersion, response.MismatchedResponseVersion);
        if (Kind != IprResponseKind.Data)
            return;
        BundleBytes = response.BundleBytes;
        var bundle = new BundleReader(message, response.BundleOffset, response.BundleBytes);
        while (bundle.TryNext(out int offset, out int bytes))
            Packets.Add(message.AsSpan(offset, bytes).ToArray());
        Assert.False(bundle.Truncated);
    }

    public int Bytes { get; }

    public IprResponseKind Kind { get; }

    public IprEnvelope Envelope { get; }

    public ulong RequestId { get; }

    public bool Succeeded { get; }

    public AddressPair Pair { get; }

    public ushort? Mtu { get; }

    public byte Reason { get; }

    public string Text { get; }

    public bool? Routable { get; }

    public (byte, byte) Mismatch { get; }

    public int BundleBytes { get; }

    public List<byte[]> Packets { get; } = [];
}
