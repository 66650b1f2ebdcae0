using System.Net;
using System.Security.Cryptography;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
using FastExit.MixLink;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;

namespace FastExit.Tests.EndToEnd;

/// <summary>
/// Makes packets as the last mix node hands them to the exit: valid in every respect but the one that a test asks for. One hop, so that
/// nothing but the exit looks at them.
/// </summary>
internal sealed class ExitPackets
{
    public const int PacketBytes = 2413;
    private const byte Version8 = 8;
    private readonly Recipient _service;
    private readonly TopologyNode _exit;
    private readonly TopologyNode _mix;
    private readonly TopologyNode _entry;
    private readonly RouteSource _routes;
    private readonly byte[] _nobody = RandomNumberGenerator.GetBytes(32);
    private readonly AckBatch _acks = new();
    private readonly ForwardPacketBatch _packets = new();
    private readonly ReplySurbBatch _surbs = new();
    private readonly byte[] _region = new byte[4096];

    public ExitPackets(LabNetwork lab)
    {
        if (!Recipient.TryParse(lab.ExitAddress.NetworkRequester, out _service))
            throw new ArgumentException("the exit has no address", nameof(lab));
        lab.Topology.TryGetGateway(lab.ExitAddress.Identity, out _exit);
        lab.Topology.TryGetGateway(lab.Directory.Entry(1).Identity, out _entry);
        _mix = lab.Topology.Layer(1)[0];
        _routes = new RouteSource(lab.Topology, TimeSpan.Zero);
    }

    public static int FragmentBytes => PacketSizes.FragmentBytes(PacketSize.Regular);

    /// <summary>A frame of version 8 with the rotation of the lab's keys.</summary>
    public static byte[] Frame(byte[] packet, KeyRotation rotation = KeyRotation.Odd)
    {
        byte[] frame = new byte[FrameHeader.MaximumBytes + packet.Length];
        new FrameHeader(Version8, PacketSize.Regular, rotation).Write(frame);
        packet.CopyTo(frame, FrameHeader.MaximumBytes);
        return frame;
    }

    /// <summary>The packets of one message.</summary>
    public IEnumerable<byte[]> Message(byte[] message)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, FragmentBytes);
        uint[] ids = new uint[plan.Sets];
        SetId.Fill(ids);
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[FragmentBytes];
            plan.WriteFragment(message, i, ids, fragment);
            yield return Packet(fragment);
        }
    }

    /// <summary>A fragment with this header and zeros behind it.</summary>
    public byte[] Fragment(in FragmentHeader header, ReadOnlySpan<byte> body = default)
    {
        byte[] fragment = new byte[FragmentBytes];
        int at = header.Write(fragment);
        body.CopyTo(fragment.AsSpan(at));
        return Packet(fragment);
    }

    /// <summary>All fragments of a full set that names its neighbours on both sides.</summary>
    public IEnumerable<byte[]> LinkedSet(uint id, uint previous, uint next)
    {
        for (int position = 1; position <= FragmentHeader.MaximumTotal; position++)
        {
            yield return Fragment(position switch
            {
                1 => new FragmentHeader(id, FragmentHeader.MaximumTotal, 1, SetLink.Previous, previous),
                FragmentHeader.MaximumTotal => new FragmentHeader(
                    id, FragmentHeader.MaximumTotal, FragmentHeader.MaximumTotal, SetLink.Next, next),
                _ => new FragmentHeader(id, FragmentHeader.MaximumTotal, (byte)position),
            });
        }
    }

    /// <summary>A packet around whole fragment bytes.</summary>
    /// <param name="fragment">Header, body and padding.</param>
    /// <param name="destination">Another service than the exit's.</param>
    /// <param name="withoutAck">Zeros where the acknowledgement stands.</param>
    /// <param name="forward">Asks the exit to send it on to a mix node.</param>
    public byte[] Packet(byte[] fragment, byte[]? destination = null, bool withoutAck = false, bool forward = false)
    {
        _acks.Clear();
        _acks.Add(_routes.Draw(_entry, _nobody), new byte[16], SetId.Next(), 1);
        _acks.Build();
        fragment.CopyTo(_region, PacketLayout.FragmentOffset);
        TopologyNode[] hops = forward ? [_exit, _mix] : [_exit];
        byte[] keys = [.. hops.SelectMany(hop => hop.SphinxKey.ToArray())];
        byte[] addresses = new byte[hops.Length * NodeAddress.SphinxBytes];
        for (int i = 0; i < hops.Length; i++)
            NodeAddress.From(hops[i].MixAddress).Write(addresses.AsSpan(i * NodeAddress.SphinxBytes, NodeAddress.SphinxBytes));
        var route = new SphinxRoute(keys, addresses, new ulong[hops.Length], destination ?? _service.Identity, new byte[16]);
        _packets.Clear();
        _packets.Add(
            0, PacketSize.Regular, route, _service.EncryptionKey,
            withoutAck ? new byte[PacketSizes.AckPrefixBytes] : _acks.Prefix(0));
        _packets.Build(_region);
        return _region[..PacketBytes];
    }

    /// <summary>A message with this sender tag, <paramref name="surbs"/> SURBs that lead nowhere, and <paramref name="data"/>.</summary>
    public byte[] Repliable(byte[] tag, int surbs, byte[] data)
    {
        _surbs.Clear();
        for (int i = 0; i < surbs; i++)
            _surbs.Add(_routes.Draw(_entry, _nobody));
        if (surbs > 0)
            _surbs.Build();
        byte[] message = new byte[MessageWriter.RepliableHeaderBytes + (surbs * PacketFactory.SurbBytes) + data.Length];
        int at = MessageWriter.WriteRepliableHeader(message, tag, surbs, surbs == 0 ? 0 : RouteSource.Hops, KeyRotation.Odd);
        for (int i = 0; i < surbs; i++, at += PacketFactory.SurbBytes)
            _surbs.Surb(i).CopyTo(message.AsSpan(at));
        data.CopyTo(message, at);
        return message;
    }

    public static byte[] Plain(byte[] data) => [0, .. data];

    public static byte[] Connect(ulong id, ReadOnlySpan<byte> hostPort)
    {
        byte[] request = new byte[hostPort.Length + 64];
        if (!RequestWriter.TryWriteConnect(request, MessageForm.Version3, id, hostPort, default, out int bytes))
            throw new ArgumentException("does not fit a request", nameof(hostPort));
        return request[..bytes];
    }

    public static byte[] Send(ulong id, ulong sequence, bool closed, byte[] payload)
    {
        byte[] request = new byte[payload.Length + 64];
        RequestWriter.TryWriteSend(request, MessageForm.Version3, id, sequence, closed, payload, out int bytes);
        return request[..bytes];
    }
}
