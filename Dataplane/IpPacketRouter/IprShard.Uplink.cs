using FastExit.Cores;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

// Client to host: ipr.md §4.3, with the bad input of §8.
internal sealed partial class IprShard
{
    private const int IcmpErrorsPerSecond = 10;
    private const int IcmpErrorsBurst = 20;
    private const int SpoofedForgivenPerSecond = 1;

    // One refusal per destination in ten seconds, one per client and second.
    private const long InfoDestinationMilliseconds = 10_000;
    private const long InfoMilliseconds = 1000;

    private void Forward(int index, SlotHandle slot, int messageOffset, Span<byte> message, in IprRequest request)
    {
        var bundle = new BundleReader(message, request.BundleOffset, request.BundleBytes);
        while (bundle.TryNext(out int offset, out int bytes))
        {
            // A packet of this bundle may have ended the session.
            if (_sessions[index].State == SessionState.Free)
                return;
            ForwardPacket(index, slot, messageOffset + offset, message.Slice(offset, bytes));
        }

        if (bundle.Truncated)
            _counters.Increment(Counter.IpPacketRouter_BundlesTruncated);
        _counters.Add(Counter.IpPacketRouter_EmptyPackets, bundle.EmptyPackets);
    }

    private void ForwardPacket(int index, SlotHandle slot, int offset, Span<byte> data)
    {
        ref IprSession session = ref _sessions[index];
        if (_limits.PacketsPerSecond > 0 && !session.Packets.TryTake(_limits.PacketsPerSecond, _limits.PacketsPerSecond, _now))
        {
            _counters.Increment(Counter.IpPacketRouter_PacketsLimited);
            return;
        }

        IpReadStatus status = IpPacket.TryRead(data, out IpPacket ip);
        if (status != IpReadStatus.Ok)
        {
            _counters.Increment(CounterOf(status));
            return;
        }

        if (!IsOwnSource(session, ip))
        {
            DropForeign(index, ip);
            return;
        }

        Confirm(ref session);
        if (!_network.Routes(ip.IsIPv6))
        {
            // Its addresses are in every pair, so applications try; told at once they turn to the other family.
            _counters.Increment(Counter.IpPacketRouter_FamilyOff);
            SendIcmpError(index, IcmpErrorKind.Prohibited, data[..ip.Bytes], ip);
            return;
        }

        Span<byte> packet = data[..ip.Bytes];
        if (!MayPass(index, packet, ip))
            return;
        if (_network.IsOwn(ip.Destination))
        {
            ToGateway(index, slot, offset, packet, ip);
            return;
        }

        if (_network.TryNumber(ip.Destination, out int number))
        {
            ToClient(index, number, packet, ip);
            return;
        }

        if (!ip.HasTransport)
        {
            Follow(index, slot, offset, ip);
            return;
        }

        bool accepted = IsAccepted(index, packet, ip);
        if (accepted)
        {
            Clamp(packet, ip);
            ToHost(slot, offset, ip.Bytes);
        }

        if (ip.IsFirstFragment && ip.MoreFragments)
            Release(ip, accepted);
    }

    private void ToHost(SlotHandle slot, int offset, int bytes)
    {
        _counters.Increment(Counter.IpPacketRouter_UplinkPackets);
        _counters.Add(Counter.IpPacketRouter_UplinkBytes, bytes);
        _device.Write(slot, offset, bytes);
    }

    /// <summary>A later fragment goes where its first one went, and waits for it if that has yet to come.</summary>
    private void Follow(int index, SlotHandle slot, int offset, in IpPacket ip)
    {
        if (_fragments.TryFind(ip, _now, out bool accepted))
        {
            if (accepted)
                ToHost(slot, offset, ip.Bytes);
            else
                _counters.Increment(Counter.IpPacketRouter_FragmentsDropped);
            return;
        }

        bool displaced = false;
        bool held = !_draining && _early.TryHold(index, slot, offset, ip, _now, out displaced);
        if (held)
            _counters.Increment(Counter.IpPacketRouter_FragmentsHeld);
        if (!held || displaced)
            _counters.Increment(Counter.IpPacketRouter_FragmentsDropped);
    }

    /// <summary>The verdict on a first fragment is known: those that came before it follow.</summary>
    private void Release(in IpPacket first, bool accepted)
    {
        _fragments.Remember(first, accepted, _now);
        while (_early.TryTakeJudged(_fragments, first.Source, _now, out SlotHandle slot, out int offset, out int bytes, out bool follows))
        {
            if (follows)
                ToHost(slot, offset, bytes);
            else
                _counters.Increment(Counter.IpPacketRouter_FragmentsDropped);
            _references.Release(slot);
        }
    }

    private bool IsOwnSource(in IprSession session, in IpPacket ip) =>
        ip.Source == (ip.IsIPv6 ? _network.IPv6Of(session.Number) : _network.IPv4Of(session.Number));

    /// <summary>Hosts let packets of their other addresses slip into a tunnel; who keeps using other clients' addresses means it.</summary>
    private void DropForeign(int index, in IpPacket ip)
    {
        _counters.Increment(Counter.IpPacketRouter_SpoofedSources);
        if (!_network.TryNumber(ip.Source, out _)
            || _sessions[index].Spoofed.TryTake(SpoofedForgivenPerSecond, _limits.MaximumSpoofedPackets, _now))
            return;
        _counters.Increment(Counter.IpPacketRouter_SessionsCutOff);
        End(index, IprDisconnectReason.Other, "packets in another client's name"u8);
    }

    /// <summary>
    /// Only pings have an answer here: clients measure with them whether the exit lives. Those in several fragments, or longer than the
    /// tunnel carries in one, the host puts together and answers: the device's address is its own.
    /// </summary>
    private void ToGateway(int index, SlotHandle slot, int offset, Span<byte> packet, in IpPacket ip)
    {
        if (!ip.HasTransport)
        {
            Follow(index, slot, offset, ip);
            return;
        }

        if (ip.Bytes <= _limits.Mtu && EchoReply.TryAnswer(packet, ip))
        {
            _counters.Increment(Counter.IpPacketRouter_EchoReplies);
            Append(index, packet);
            return;
        }

        bool accepted = (ip.IsFragment || ip.Bytes > _limits.Mtu) && EchoReply.IsRequest(packet, ip);
        if (accepted)
            ToHost(slot, offset, ip.Bytes);
        if (ip.MoreFragments)
            Release(ip, accepted);
        if (accepted)
            return;

        _counters.Increment(Counter.IpPacketRouter_DeniedGateway);
        Refuse(index, packet, ip);
    }

    private void ToClient(int index, int number, Span<byte> packet, in IpPacket ip)
    {
        if (!_limits.ClientToClient)
        {
            _counters.Increment(Counter.IpPacketRouter_DeniedOtherClient);
            Refuse(index, packet, ip);
            return;
        }

        _counters.Increment(Counter.IpPacketRouter_ClientToClient);
        Clamp(packet, ip);
        HopLimit.Lower(packet, ip.IsIPv6);
        if (ip.Bytes <= _limits.Mtu)
        {
            Deliver(number, packet);
            return;
        }

        Span<byte> place = stackalloc byte[_limits.Mtu];
        var fragments = new IPv4Fragmenter(packet, ip, _limits.Mtu);
        while (fragments.TryNext(place, out int bytes))
            Deliver(number, place[..bytes]);
    }

    private bool IsAccepted(int index, Span<byte> packet, in IpPacket ip)
    {
        PacketKind kind = ip.HasPorts ? PacketKind.Ported : ip.IsIcmp ? PacketKind.Icmp : PacketKind.Portless;
        PacketVerdict verdict = _verdicts.Judge(ip.Destination, ip.DestinationPort, kind);
        if (verdict == PacketVerdict.Accepted)
            return true;
        _counters.Increment(verdict == PacketVerdict.DeniedByGuard
            ? Counter.IpPacketRouter_DeniedByGuard : Counter.IpPacketRouter_DeniedByPolicy);
        Refuse(index, packet, ip);
        return false;
    }

    private void Clamp(Span<byte> packet, in IpPacket ip)
    {
        if (MssClamp.Apply(packet, ip, _limits.Mtu))
            _counters.Increment(Counter.IpPacketRouter_MssClamped);
    }

    /// <summary>Tells the client's host at once (ICMP) and its application what was refused (Info), both at a limited rate.</summary>
    private void Refuse(int index, ReadOnlySpan<byte> packet, in IpPacket ip)
    {
        SendIcmpError(index, IcmpErrorKind.Prohibited, packet, ip);
        ref IprSession session = ref _sessions[index];
        if (_now < session.NextInfo || !_informed.TryPass(DestinationKey(session, ip), InfoDestinationMilliseconds, _now))
        {
            _counters.Increment(Counter.IpPacketRouter_AnswersWithheld);
            return;
        }

        session.NextInfo = _now + InfoMilliseconds;
        if (_replies.Credit(session.Peer) <= 0)
            return;
        Span<byte> text = stackalloc byte[DestinationText.MaximumBytes];
        int textBytes = DestinationText.Write(text, ip.Destination, ip.DestinationPort);
        Span<byte> answer = stackalloc byte[ControlBytes];
        IprResponseWriter.TryWriteInfo(
            answer, EnvelopeOf(session), 0, IprInfoKind.PolicyRefused, IprInfoLevel.Warn, text[..textBytes], out int bytes);
        _counters.Increment(Counter.IpPacketRouter_Infos);
        SendInSession(ref session, answer[..bytes]);
    }

    private static ulong DestinationKey(in IprSession session, in IpPacket ip)
    {
        UInt128 address = ip.Destination.Bits;
        ulong mixed = ((ulong)(address >> 64) * 0x9E3779B97F4A7C15) ^ (ulong)address;
        return (mixed * 0xC2B2AE3D27D4EB4F) + ((ulong)(uint)session.Number << 16) + ip.DestinationPort;
    }

    private void SendIcmpError(int index, IcmpErrorKind kind, ReadOnlySpan<byte> packet, in IpPacket ip)
    {
        ref IprSession session = ref _sessions[index];
        Span<byte> error = stackalloc byte[IcmpError.MaximumBytes];
        NumericAddress gateway = _network.Own(ip.IsIPv6);
        int bytes = IcmpError.Write(error, kind, _limits.Mtu, gateway, packet, ip);
        if (bytes == 0)
            return;
        if (!session.Errors.TryTake(IcmpErrorsPerSecond, IcmpErrorsBurst, _now))
        {
            _counters.Increment(Counter.IpPacketRouter_AnswersWithheld);
            return;
        }

        _counters.Increment(Counter.IpPacketRouter_IcmpErrors);
        Append(index, error[..bytes]);
    }
}
