namespace FastExit.IpPacketRouter.Protocol;

/// <summary>Kinds of response; the control kinds follow their wire codes by one (ip-packet-router.md §1.6).</summary>
public enum IprResponseKind : byte
{
    Data = 0,
    Connect = 1,
    Disconnect = 2,
    UnrequestedDisconnect = 3,
    Pong = 4,
    Health = 5,
    Info = 6,
}

/// <summary>Why a connect was refused; <see cref="Other"/> carries a text.</summary>
public enum IprConnectFailure : byte
{
    AlreadyConnected = 0,
    NoAvailableIp = 1,
    Other = 2,
}

/// <summary>Why a disconnect was refused; <see cref="Other"/> carries a text.</summary>
public enum IprDisconnectFailure : byte
{
    NotConnected = 0,
    Other = 1,
}

/// <summary>Why the router ended a session; <see cref="Other"/> carries a text.</summary>
public enum IprDisconnectReason : byte
{
    MixnetTimeout = 0,
    TunTimeout = 1,
    Other = 2,
}

/// <summary>What an Info speaks of. VersionMismatch carries two versions, the others a text.</summary>
public enum IprInfoKind : byte
{
    Generic = 0,
    VersionMismatch = 1,
    PolicyRefused = 2,
}

public enum IprInfoLevel : byte
{
    Info = 0,
    Warn = 1,
    Error = 2,
}
